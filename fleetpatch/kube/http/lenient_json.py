r"""Decodes JSON from servers; any body can be passed, and none raises.

A body is decoded as it is. If that fails, it is rewritten to what Go's decoder, which API servers
and kubectl use, would read, and decoded again:

========================================  =====================================================
bytes that are not UTF-8                  U+FFFD
half of a surrogate pair (`"\ud800"`)      U+FFFD
maps and lists nested too deep            null below `KEPT_DEPTH` levels; `fleetpatch.model.fields`
                                          describes how such an object is handled
a key given twice                         the last one counts (this does not fail)
a value of another type, a number that    None
no float can hold, half a document
========================================  =====================================================

`describe_body` describes a body that is neither an object nor a Status: the JSON of a gateway, an
HTML page, plain text.
"""

import re
from typing import Final, TypeVar

import msgspec

from fleetpatch.model.encoding import with_whole_characters
from fleetpatch.model.fields import MAX_DEPTH

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a body; nesting counts against Python's recursion limit."""

KEPT_DEPTH: Final = MAX_DEPTH + 4
"""Levels that `repair` keeps: those of an object, the two of a list around it, and two more, so
that an object that was cut is still detected as too deep."""

# A string is one token, so that brackets within strings are not counted. The quantifiers are
# possessive, and a string without an end reaches to the end of the body: the match of a string
# never fails, so the time is linear for any body.
_BRACKET: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """Decode a body; None where it is not a document of the decoder's type."""
    try:
        return decoder.decode(body)
    except UNDECODABLE:
        pass
    repaired = repair(body)
    try:
        return None if repaired is body else decoder.decode(repaired)
    except UNDECODABLE:
        return None


def repair(body: bytes) -> bytes:
    """Rewrite what fails here but not in Go; returns `body` itself if nothing does."""
    body = with_whole_characters(body)
    # The depth cannot exceed the number of opening brackets, and counting them is cheap.
    if body.count(b"[") + body.count(b"{") > KEPT_DEPTH:
        body = _flattened(body)
    return body


def _flattened(body: bytes) -> bytes:
    """Replace maps and lists below `KEPT_DEPTH` levels by null."""
    pieces: list[bytes] = []
    depth = kept_from = 0
    for token in _BRACKET.finditer(body):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == KEPT_DEPTH + 1:
                    pieces += [body[kept_from : token.start()], b"null"]
            case b"]" | b"}":
                if depth == KEPT_DEPTH + 1:
                    kept_from = token.end()
                depth -= 1
    if not pieces:
        return body
    # Half a document may end below the kept levels, within a part that is replaced by null.
    return b"".join([*pieces, body[kept_from:] if depth <= KEPT_DEPTH else b""])


# Each part of the pattern ends at the next `<`, so the time is linear even for a page of unclosed
# titles.
_TITLE: Final = re.compile(r"<title[^<>]*+>([^<]*+)", re.IGNORECASE)
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


class _ErrorBody(msgspec.Struct):
    """The error of a gateway or of IAM; each has its own names for message and code."""

    error_msg: str | None = None
    error_code: str | int | None = None
    message: str | None = None
    code: str | int | None = None
    title: str | None = None
    error: "_ErrorBody | str | None" = None


_error_bodies: Final = msgspec.json.Decoder(_ErrorBody)


def describe_body(body: bytes, *, is_complete: bool = True) -> str:
    """Describe a body that is neither an object nor a Status, by its own text, not cleaned.

    `is_complete` is False if the body was cut; then it is not decoded.
    """
    if not body.strip():
        return "the answer has no body"
    error_body = decode(_error_bodies, body) if is_complete else None
    if error_body is not None and (message := _message_of(error_body)):
        return message
    text = body.decode(errors="replace")
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        return f"an HTML page: {title[1]}" if title and title[1].strip() else "an HTML page"
    return text


def _message_of(error_body: _ErrorBody) -> str:
    """Return an error as `the message (its code)`; empty where it has no message."""
    match error_body:
        case _ErrorBody(error=_ErrorBody() as inner):
            return _message_of(inner)
        case _ErrorBody(error_msg=str(message), error_code=code) if message:
            return f"{message} ({code or 'no code'})"
        case _ErrorBody(message=str(message), title=title, code=code) if message:
            mark = title or code
            return f"{message} ({mark})" if mark else message
        case _:
            return ""
