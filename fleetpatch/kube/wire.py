"""Bodies as they come over the wire, decoded into the model's values.

Answers are asked for as `PartialObjectMetadata`; a server that does not know it sends whole
objects, of which only the metadata is looked at. The structs name what is read and skip the rest,
so a server may add what it likes. Lists come with `items: null` when they are empty.

Not everything that answers is an API server. A proxy's HTML page, a gateway's own JSON or plain
text are answers too: their status counts, and a short message says what they were.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import msgspec

from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.model.fields import Json
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean

_OK: Final = range(200, 300)
_CAUSES: Final = 20
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MARKUP: Final = re.compile(r"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Raw:
    """A complete answer, undecoded. `whole` is False where the body was cut at the limit."""

    status: int
    body: bytes
    whole: bool = True
    retry_after: str | None = None


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


class _GatewayError(msgspec.Struct):
    """What Huawei's API gateway answers in the server's place."""

    error_msg: str
    error_code: str = ""


_objects: Final = msgspec.json.Decoder(_Object)
_lists: Final = msgspec.json.Decoder(_List)
_whole_lists: Final = msgspec.json.Decoder(_WholeList)
_statuses: Final = msgspec.json.Decoder(_Status)
_gateway_errors: Final = msgspec.json.Decoder(_GatewayError)
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
    try:
        status = _statuses.decode(raw.body)
    except UNDECODABLE:
        return Answer(raw.status, message=_foreign(raw), retry_after=raw.retry_after)
    details = status.details or _Details()
    return Answer(
        status=raw.status,
        reason=clean(status.reason),
        message=clean(status.message),
        causes=tuple(clean(cause.field) for cause in (details.causes or ())[:_CAUSES]),
        about=clean(details.kind),
        is_status=True,
        retry_after=raw.retry_after,
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


def _foreign(raw: Raw) -> str:
    """Say what a body is that is neither an object nor a Status."""
    if not raw.body.strip():
        return "the answer has no body"
    try:
        gateway = _gateway_errors.decode(raw.body)
    except UNDECODABLE:
        text = raw.body.decode(errors="replace")
    else:
        return clean(f"{gateway.error_msg} ({gateway.error_code or 'no code'})")
    if _MARKUP.match(text):
        title = _TITLE.search(text)
        return clean(f"an HTML page: {title[1]}") if title else "an HTML page"
    return clean(text)
