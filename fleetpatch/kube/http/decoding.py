"""Decodes the bodies of answers and list pages into values of the model.

Answers are requested as `PartialObjectMetadata`; a server that does not know it sends whole
objects, of which only the metadata is read. The structs name the fields that are read, and msgspec
skips all others. Null means absent, as it does for Go; an empty list may have `items: null`.

An answer may come from something other than an API server. For the HTML page of a proxy, the JSON
of a gateway or plain text, the status counts, and a short message describes the body
(`fleetpatch.kube.http.lenient_json`).

An answer may quote the secrets of its request. Decisions use the texts as they came; texts for
people are masked here.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias, cast

import msgspec
from msgspec.structs import replace

from fleetpatch.kube.http.lenient_json import UNDECODABLE, decode, describe_body, repair
from fleetpatch.model.answer import REASONS, Answer, NoAnswer
from fleetpatch.model.fields import ABSENT, MAX_DEPTH, TOO_DEEP, Json, is_deeper, look_up
from fleetpatch.model.masking import mask_known
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean

_OK: Final = range(200, 300)
_FOREIGN_OWNER: Final = "FieldManagerConflict"
"""The reason of a cause that server-side apply adds for each conflicting field."""
_CAUSES: Final = 20
"""Causes that are read of one Status; a webhook may add one for each of its rules."""


class Raw(PartialRepr, frozen=True):
    """An answer, undecoded. `is_complete` is False where the body was cut at the limit.

    `headers` ignore the case of names. `secrets` are those of the request.
    """

    # Body and headers may quote the secrets of the request.
    _printed: ClassVar = ("status",)

    status: int
    body: bytes
    is_complete: bool = True
    headers: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()

    def mask(self, text: str) -> str:
        """Mask the request's secrets in `text`, which came with the answer."""
        return mask_known(text, self.secrets)


RawReply: TypeAlias = Raw | NoAnswer


class ListPage(msgspec.Struct, frozen=True):
    """One page of a list; `token` is the continue token, empty on the last page.

    `api_version` and `kind` are those of the list, empty where it has none.
    """

    items: tuple[Seen, ...]
    token: str
    api_version: str
    kind: str


# gc=False: these structs cannot form a reference cycle, and a survey makes millions of them, which
# the garbage collector would otherwise visit.
class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str
    uid: str
    resource_version: str
    namespace: str | None = None
    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None


class _Name(msgspec.Struct, gc=False):
    name: str


class _Named(msgspec.Struct, gc=False):
    metadata: _Name


class _Object(msgspec.Struct, rename="camel", gc=False):
    metadata: _Metadata
    api_version: str | None = None
    kind: str | None = None


class _ManagedMetadata(_Metadata, rename="camel", gc=False):
    managed_fields: Any = None


class _ManagedObject(_Object, rename="camel", gc=False):
    metadata: _ManagedMetadata


class _DetailedMetadata(_Metadata, rename="camel", gc=False):
    """All metadata but managedFields, which take most of the bytes and are for servers."""

    creation_timestamp: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    finalizers: Any = None
    generate_name: Any = None
    generation: Any = None
    owner_references: Any = None
    self_link: Any = None


class _DetailedObject(_Object, rename="camel", gc=False):
    metadata: _DetailedMetadata


class _ListMetadata(msgspec.Struct, gc=False):
    token: str | None = msgspec.field(name="continue", default=None)


class _AnyList(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    metadata: _ListMetadata | None = None
    api_version: str | None = None
    kind: str | None = None


class _List(_AnyList, gc=False):
    items: list[_Object] | None


class _ManagedList(_AnyList, gc=False):
    items: list[_ManagedObject] | None


class _DetailedList(_AnyList, gc=False):
    items: list[_DetailedObject] | None


# Items stay undecoded, so that one damaged object does not make the whole page undecodable.
class _RawList(_AnyList, gc=False):
    items: list[msgspec.Raw] | None


class _Cause(msgspec.Struct):
    field: str | None = None
    reason: str | None = None
    message: str | None = None


class _Details(msgspec.Struct, rename="camel"):
    kind: str | None = None
    group: str | None = None
    name: str | None = None
    causes: list[_Cause | None] | None = None
    retry_after_seconds: int | None = None


class _Status(msgspec.Struct):
    kind: Literal["Status"]
    message: str | None = None
    reason: str | None = None
    details: _Details | None = None
    metadata: _ListMetadata | None = None


_CAMEL: Final = {
    field.name: field.encode_name for field in msgspec.structs.fields(_DetailedMetadata)
}
_objects: Final = msgspec.json.Decoder(_Object)
_named: Final = msgspec.json.Decoder(_Named)
_managed_objects: Final = msgspec.json.Decoder(_ManagedObject)
_lists: Final = msgspec.json.Decoder(_List)
_managed_lists: Final = msgspec.json.Decoder(_ManagedList)
_detailed_lists: Final = msgspec.json.Decoder(_DetailedList)
_raw_lists: Final = msgspec.json.Decoder(_RawList)
_statuses: Final = msgspec.json.Decoder(_Status)


def decode_answer(raw: Raw, *, whole: bool = False, managed: bool = False) -> Answer:
    """Decode the answer to a GET or PATCH of one object; any body results in an Answer.

    `whole` keeps the whole object beside its metadata, `managed` its managedFields.
    """
    # A body that was cut could be repaired into another object: it is described, not decoded.
    document = raw.body if raw.is_complete else b""
    if raw.status in _OK and (seen := _object(document, whole=whole, managed=managed)) is not None:
        return Answer(raw.status, seen, secrets=raw.secrets)
    retry_after = raw.headers.get("Retry-After")
    status = decode(_statuses, document)
    if status is None:
        text = describe_body(raw.body, is_complete=raw.is_complete)
        message, unmasked = _shown(raw, text)
        return Answer(raw.status, message=message, retry_after=retry_after, unmasked=unmasked)
    details = status.details or _Details()
    causes = [cause for cause in details.causes or () if cause is not None][:_CAUSES]
    # Known reasons are never masked: a secret such as "Conflict" must not change a verdict.
    reason = clean(status.reason or "")
    message, unmasked = _shown(raw, status.message or "")
    return Answer(
        status=raw.status,
        message=message,
        unmasked=unmasked,
        reason=reason if reason in REASONS else clean(raw.mask(reason)),
        causes=tuple(clean(cause.field or "") for cause in causes),
        about=clean(details.kind or ""),
        about_group=clean(details.group or ""),
        about_name=clean(details.name or ""),
        owners=tuple(
            clean(f"{cause.message or ''}: {cause.field or ''}")
            for cause in causes
            if cause.reason == _FOREIGN_OWNER
        ),
        is_status=True,
        retry_after=retry_after,
        # Kubernetes omits this field when it is zero, so a zero does not mean "retry at once".
        retry_after_seconds=details.retry_after_seconds or None,
    )


def decode_page(
    raw: Raw, *, whole: bool = False, metadata: bool = False, managed: bool = False
) -> ListPage | None:
    """Decode a page; None where the body is not a list of objects.

    `Seen.unreadable` says why an object could not be decoded as a whole. With `metadata`, objects
    that are not decoded as a whole keep all their metadata but managedFields. With `managed`,
    objects keep their managedFields.
    """
    if whole:
        return _whole_page(raw.body, managed=managed)
    if managed and (shown := decode(_managed_lists, raw.body)) is not None:
        return _page(shown, tuple(_seen_managed(item) for item in shown.items or ()))
    if metadata:
        detailed = decode(_detailed_lists, raw.body)
        if detailed is None:
            return None
        return _page(detailed, tuple(_seen_detailed(item) for item in detailed.items or ()))
    page = decode(_lists, raw.body)
    if page is None:
        return None
    return _page(page, tuple(_seen(item) for item in page.items or ()))


def unreadable_item(raw: Raw) -> str:
    """Say which item of a list has no valid metadata; empty where there is none, or no list."""
    page = decode(_raw_lists, raw.body)
    for number, item in enumerate((page.items if page else None) or (), 1):
        if decode(_objects, bytes(item)) is None:
            named = decode(_named, bytes(item))
            name = f" ({clean(raw.mask(named.metadata.name), 100)})" if named else ""
            return f"the metadata of its item {number}{name} is not valid"
    return ""


def continue_token(raw: Raw) -> str:
    """Return the continue token in the body of a 410; empty where it has none."""
    status = decode(_statuses, raw.body)
    return _token(status.metadata) if status is not None else ""


def _token(metadata: _ListMetadata | None) -> str:
    return (metadata.token or "") if metadata is not None else ""


def _shown(raw: Raw, text: str) -> tuple[str, str]:
    """Return an Answer's `message` and `unmasked`."""
    # Masked again after cleaning: control characters may have been within a secret.
    message = clean(raw.mask(clean(raw.mask(text))))
    unmasked = clean(text)
    return message, "" if message == unmasked else unmasked


def _object(body: bytes, *, whole: bool, managed: bool) -> Seen | None:
    if whole:
        seen = _whole_object(body)
        return seen and (_with_managed_fields(seen) if managed else seen)
    if managed:
        # If the managedFields are what cannot be decoded, the object is decoded without them.
        shown = decode(_managed_objects, body)
        if shown is not None:
            return _seen_managed(shown)
    found = decode(_objects, body)
    return None if found is None else _seen(found)


def _with_managed_fields(seen: Seen) -> Seen:
    found = look_up(seen.whole, ("metadata", "managedFields"))
    return seen if found is ABSENT else replace(seen, managed_fields=found)


def _whole_object(body: bytes) -> Seen | None:
    try:
        seen = _seen_whole(msgspec.json.decode(body))
    except UNDECODABLE:
        return _readable_part(body)
    # An object cannot be deeper than its brackets are many. Counting them is cheaper than walking
    # the object, and is enough for nearly all objects.
    shallow = body.count(b"{") + body.count(b"[") <= MAX_DEPTH
    return seen if shallow else _within_depth(seen)


def _whole_page(body: bytes, *, managed: bool) -> ListPage | None:
    # Each object is decoded by itself, so that a damaged one does not affect the others.
    raw_page = decode(_raw_lists, body)
    if raw_page is None:
        return None
    readable = [_whole_object(bytes(item)) for item in raw_page.items or ()]
    seen = tuple(item for item in readable if item is not None)
    if managed:
        seen = tuple(map(_with_managed_fields, seen))
    # An object without metadata cannot be reported by name, and must not be dropped silently.
    return _page(raw_page, seen) if len(seen) == len(readable) else None


def _page(page: _AnyList, items: tuple[Seen, ...]) -> ListPage:
    return ListPage(items, _token(page.metadata), page.api_version or "", page.kind or "")


def _readable_part(body: bytes) -> Seen | None:
    """Decode what can be read of an object; None if that does not include its metadata."""
    repaired = repair(body)
    try:
        return _within_depth(_seen_whole(msgspec.json.decode(repaired)))
    except UNDECODABLE as error:
        found = decode(_objects, repaired)
        why = f"the object cannot be decoded ({clean(str(error))})"
        return None if found is None else _seen(found, unreadable=why)


def _within_depth(seen: Seen) -> Seen:
    return replace(seen, unreadable=TOO_DEEP) if is_deeper(seen.whole, MAX_DEPTH) else seen


def _seen_whole(document: Json) -> Seen:
    return _seen(msgspec.convert(document, _Object), document)


def _seen(shown: _Object, whole: Json = None, *, unreadable: str = "") -> Seen:
    metadata = shown.metadata
    return Seen(
        metadata.namespace or "",
        metadata.name,
        metadata.uid,
        metadata.resource_version,
        _strings(metadata.labels),
        _strings(metadata.annotations),
        whole,
        unreadable,
        shown.api_version or "",
        shown.kind or "",
    )


def _seen_managed(shown: _ManagedObject) -> Seen:
    return replace(_seen(shown), managed_fields=shown.metadata.managed_fields)


def _seen_detailed(shown: _DetailedObject) -> Seen:
    known = {
        _CAMEL[name]: value
        for name in shown.metadata.__struct_fields__
        if (value := getattr(shown.metadata, name)) is not None
    }
    return replace(_seen(shown), metadata=known)


def _strings(values: dict[str, str | None] | None) -> Mapping[str, str]:
    """Return labels or annotations without those that are null."""
    if not values:
        return {}
    # Null values are rare, and copying every map would slow the survey down.
    if None in values.values():
        return {key: value for key, value in values.items() if value is not None}
    return cast("dict[str, str]", values)
