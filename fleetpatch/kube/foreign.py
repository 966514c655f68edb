"""What answers in an API server's place, put into words: a gateway's JSON, HTML, plain text."""

import re
from typing import Final

import msgspec

from fleetpatch.kube.decoding import decoded

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


def words_of(body: bytes) -> str:
    """Say what a body is that is neither an object nor a Status; as it came, uncleaned."""
    if not body.strip():
        return "the answer has no body"
    complaint = decoded(_complaints, body)
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
