"""The capabilities of a provider's kinds as text and as JSON, taken from the provider's table."""

from collections.abc import Iterator

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Json, show
from fleetpatch.model.protected import keys_of
from fleetpatch.model.providers.capability import Capability, Provider

_LABEL = 8
"""Width in characters of the column of labels."""


def kind_lines(provider: Provider) -> Iterator[str]:
    """Yield a paragraph for each kind, and notes about all of them."""
    yield f"Job kinds of {provider.title} (provider: {provider.name})"
    for capability in provider.kinds:
        yield ""
        yield capability.resource.name
        for label, text in _facts(capability):
            yield f"  {label:{_LABEL}} {text}"
    yield ""
    yield from _notes(provider)


def as_json(provider: Provider) -> dict[str, Json]:
    """Return the same as one object; an interface. `fields` is null if all fields may change."""
    return {
        "provider": provider.name,
        "title": provider.title,
        "kinds": [_as_json(capability) for capability in provider.kinds],
        "otherKinds": not provider.is_closed,
        "notRetried": {str(status): why for status, why in provider.not_retried.items()},
    }


def _as_json(capability: Capability) -> dict[str, Json]:
    return {
        "kind": capability.resource.name,
        "path": capability.path,
        "patchTypes": [_name(one) for one in capability.patch_types],
        "fields": _fields(capability),
        "query": list(capability.query),
        "source": capability.source,
        "immutable": _immutable(capability),
        "protectedKeys": list(keys_of(capability.resource.group)),
    }


def _immutable(capability: Capability) -> Json:
    known = capability.immutable
    if known is None:
        return None
    fields = [show(path) for path in known.fields]
    return {"fields": fields, "exceptions": known.exceptions, "source": known.source}


def _facts(capability: Capability) -> Iterator[tuple[str, str]]:
    # None means that the provider lists no updatable fields, so any may change.
    fields = _fields(capability)
    yield "path", capability.path
    yield "patches", ", ".join(map(_name, capability.patch_types))
    yield "fields", "any" if fields is None else ", ".join(fields)
    yield "query", ", ".join(capability.query)
    yield "source", capability.source
    if known := capability.immutable:
        yield "fixed", ", ".join(show(path) for path in known.fields)
        if known.exceptions:
            yield "but", known.exceptions
        yield "source", known.source
    if keys := keys_of(capability.resource.group):
        yield "keys", f"protected: {', '.join(keys)}"


def _fields(capability: Capability) -> list[str] | None:
    return None if capability.updatable is None else [show(path) for path in capability.updatable]


def _name(patch_type: PatchType) -> str:
    return patch_type.name.lower()


def _notes(provider: Provider) -> Iterator[str]:
    if provider.is_closed:
        yield "Other kinds are refused."
    else:
        yield "Other kinds: the server's own take all four patches, custom ones all but strategic."
    yield "labels and annotations, set, renamed or copied, are sent as merge."
    for status, why in provider.not_retried.items():
        yield (
            f"Status {status}: {why}. fleetpatch does retry it, unless retry.statuses or the"
            " cluster's own leave it out."
        )
