"""The boundary at which bytes of others become values: nothing that they hold raises beyond it.

A body is decoded as it is. Only where that fails it is repaired as Go's decoder, which API servers
and kubectl use, would read it, and decoded once more:

========================================  =====================================================
bytes that are not UTF-8                  U+FFFD
half of a surrogate pair (`"\ud800"`)      U+FFFD
maps and lists nested too deep            null below `KEPT_DEPTH` levels; `fleetpatch.model.fields`
                                          says what becomes of such an object
a key given twice                         the last one counts (no failure)
a value of another type, a number that    no such document
no float can hold, half a document
========================================  =====================================================

What answers in an API server's place, put into words: a gateway's JSON, HTML, plain text.
"""

import re
from typing import Final, TypeVar

import msgspec

from fleetpatch.model.encoding import with_whole_characters
from fleetpatch.model.fields import MAX_DEPTH

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a body; it counts nesting against Python's recursion limit."""

KEPT_DEPTH: Final = MAX_DEPTH + 4
"""Levels that a repair keeps: a list puts two around each object, and one more shows the excess."""

_BRACKET: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """Decode a body; None where it is no such document."""
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
    """Rewrite what would fail although Go reads it; `body` itself where there is nothing."""
    body = with_whole_characters(body)
    if body.count(b"[") + body.count(b"{") > KEPT_DEPTH:
        body = _flattened(body)
    return body


def _flattened(body: bytes) -> bytes:
    """Replace maps and lists below `KEPT_DEPTH` levels by null; brackets in strings are none."""
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
    # Half a document may end below that depth.
    return b"".join([*pieces, body[kept_from:] if depth <= KEPT_DEPTH else b""])


_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


class _Complaint(msgspec.Struct):
    """What a gateway or IAM answers; each has its own names for it."""

    error_msg: str | None = None
    error_code: str | int | None = None
    message: str | None = None
    code: str | int | None = None
    title: str | None = None
    error: "_Complaint | str | None" = None


_complaints: Final = msgspec.json.Decoder(_Complaint)


def describe_body(body: bytes) -> str:
    """Say what a body is that is neither an object nor a Status; as it came, uncleaned."""
    if not body.strip():
        return "the answer has no body"
    complaint = decode(_complaints, body)
    if complaint is not None and (said := _said(complaint)):
        return said
    text = body.decode(errors="replace")
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        return f"an HTML page: {title[1]}" if title else "an HTML page"
    return text


def _said(complaint: _Complaint) -> str:
    """Put a complaint into words, as `the message (its code)`; empty where it says nothing."""
    match complaint:
        case _Complaint(error=_Complaint() as inner):
            return _said(inner)
        case _Complaint(error_msg=str(message), error_code=code) if message:
            return f"{message} ({code or 'no code'})"
        case _Complaint(message=str(message), title=title, code=code) if message:
            mark = title or code
            return f"{message} ({mark})" if mark else message
        case _:
            return ""
