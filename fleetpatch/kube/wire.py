"""Bodies as they come over the wire, decoded into the model's values.

Answers are asked for as `PartialObjectMetadata`; a server that does not know it sends whole
objects, of which only the metadata is looked at. The structs name what is read and skip the rest,
so a server may add what it likes. Lists come with `items: null` when they are empty.

Not everything that answers is an API server. A proxy's HTML page, a gateway's own JSON or plain
text are answers too: their status counts, and a short message says what they were.

What quotes a request may quote its secrets. No answer becomes text but in `answer`, which masks
them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import msgspec

from fleetpatch.kube.text import REDACTED
from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.model.fields import Json
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean

_OK: Final = range(200, 300)
_REDACTED: Final = REDACTED.encode()
_FOREIGN_OWNER: Final = "FieldManagerConflict"
_CAUSES: Final = 20
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Raw:
    """A complete answer, undecoded. `whole` is False where the body was cut at the limit.

    `headers` may be looked up in any spelling of case. `secrets` are those of the request.
    """

    status: int
    body: bytes = field(repr=False)
    whole: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    def masked(self) -> bytes:
        """The body without the request's secrets."""
        body = self.body
        for secret in self.secrets:
            body = body.replace(secret, _REDACTED)
        return body


RawReply: TypeAlias = Raw | NoAnswer


@dataclass(frozen=True, slots=True)
class Listed:
    """A decoded page; `token` is empty on the last one."""

    items: tuple[Seen, ...]
    token: str


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


class _ListMetadata(msgspec.Struct, gc=False):
    token: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct, gc=False):
    items: list[_Object] | None
    metadata: _ListMetadata = msgspec.field(default_factory=_ListMetadata)


class _WholeList(msgspec.Struct, gc=False):
    items: list[dict[str, Any]] | None
    metadata: _ListMetadata = msgspec.field(default_factory=_ListMetadata)


class _Cause(msgspec.Struct):
    field: str = ""
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, rename="camel"):
    kind: str = ""
    causes: list[_Cause] | None = None
    retry_after_seconds: int = 0


class _Status(msgspec.Struct):
    kind: Literal["Status"]
    message: str = ""
    reason: str = ""
    details: _Details | None = None
    metadata: _ListMetadata | None = None


class _Complaint(msgspec.Struct):
    """What a gateway or IAM answers in the server's place; each has its own names for it."""

    error_msg: str = ""
    error_code: str | int = ""
    message: str = ""
    code: str | int = ""
    title: str = ""
    error: "_Complaint | str" = ""


_objects: Final = msgspec.json.Decoder(_Object)
_lists: Final = msgspec.json.Decoder(_List)
_whole_lists: Final = msgspec.json.Decoder(_WholeList)
_statuses: Final = msgspec.json.Decoder(_Status)
_complaints: Final = msgspec.json.Decoder(_Complaint)
# Bytes that are no UTF-8 are reported by Python's own error.
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)


def answer(raw: Raw, *, whole: bool = False) -> Answer:
    """Decode the answer to a GET or PATCH of one object; every body gives an Answer.

    `whole` keeps all of the object beside its metadata.
    """
    if raw.status in _OK:
        try:
            return Answer(raw.status, _object(raw.body, whole=whole))
        except UNDECODABLE:
            pass  # no object: what else it may be is found out below
    body, retry_after = raw.masked(), raw.headers.get("Retry-After")
    try:
        status = _statuses.decode(body)
    except UNDECODABLE:
        return Answer(raw.status, message=_foreign(body), retry_after=retry_after)
    details = status.details or _Details()
    causes = (details.causes or ())[:_CAUSES]
    return Answer(
        status=raw.status,
        reason=clean(status.reason),
        message=clean(status.message),
        causes=tuple(clean(cause.field) for cause in causes),
        about=clean(details.kind),
        owners=tuple(
            clean(f"{cause.message}: {cause.field}")
            for cause in causes
            if cause.reason == _FOREIGN_OWNER
        ),
        is_status=True,
        retry_after=retry_after,
        # The server leaves a zero out, so a zero says nothing.
        retry_after_seconds=details.retry_after_seconds or None,
    )


def listed(raw: Raw, *, whole: bool = False) -> Listed | None:
    """Decode a page; None where the body is no list of objects."""
    try:
        if whole:
            return _listed_whole(raw.body)
        page = _lists.decode(raw.body)
    except UNDECODABLE:
        return None
    items = tuple(_seen(item.metadata) for item in page.items or ())
    return Listed(items, page.metadata.token)


def _object(body: bytes, *, whole: bool) -> Seen:
    return (
        _seen_whole(msgspec.json.decode(body)) if whole else _seen(_objects.decode(body).metadata)
    )


def _listed_whole(body: bytes) -> Listed:
    page = _whole_lists.decode(body)
    return Listed(tuple(_seen_whole(item) for item in page.items or ()), page.metadata.token)


def _seen_whole(document: Json) -> Seen:
    return _seen(msgspec.convert(document, _Object).metadata, document)


def token_to_go_on(raw: Raw) -> str:
    """Give the continue token that the body of a 410 may carry; empty where it has none."""
    try:
        status = _statuses.decode(raw.body)
    except UNDECODABLE:
        return ""
    return status.metadata.token if status.metadata else ""


def describe(reply: Answer | NoAnswer) -> str:
    """Put a reply into words: `503 ServiceUnavailable: the message`."""
    match reply:
        case NoAnswer(silence, detail):
            return f"{silence.value}: {detail}" if detail else silence.value
        case Answer(status=status, reason=reason, message=message):
            head = f"{status} {reason}".rstrip()
            return f"{head}: {message}" if message else head


def _seen(metadata: _Metadata, whole: Json = None) -> Seen:
    return Seen(
        metadata.namespace,
        metadata.name,
        metadata.uid,
        metadata.resource_version,
        metadata.labels or {},
        metadata.annotations or {},
        whole,
    )


def _foreign(body: bytes) -> str:
    """Say what a body is that is neither an object nor a Status."""
    if not body.strip():
        return "the answer has no body"
    try:
        said = _said(_complaints.decode(body))
    except UNDECODABLE:
        said = ""
    if said:
        return clean(said)
    text = body.decode(errors="replace")
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        return clean(f"an HTML page: {title[1]}") if title else "an HTML page"
    return clean(text)


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
