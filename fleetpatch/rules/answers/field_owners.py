"""Who wrote a field last, as far as `metadata.managedFields` shows.

The server notes the field manager of every write. Whoever changes a value becomes its owner, and
the former owner loses it; managers that apply the same value own it together. An owner is noted as
a tree of `f:name` for fields and `k:`, `v:`, `i:` for entries of lists; an empty tree is a field
that is owned as one value, and `.` is the map or list itself. A removal leaves no trace.

Source: kubernetes.io, "Server-Side Apply"; k8s.io/apimachinery, meta/v1 FieldsV1.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from fleetpatch.model.fields import Json, Path
from fleetpatch.model.target import Seen

_NAMELESS: Final = frozenset({"", "unknown", "before-first-apply"})
"""Managers that the server notes where it does not know who wrote a field."""

_ITSELF: Final = "."


def other_writer(seen: Seen, paths: Iterable[Path], ours: Collection[str]) -> str:
    """Name another manager that owns one of `paths` where we own none of them; else empty.

    `ours` are the managers that we write as. A server that notes no managers names nobody.
    """
    named = ""
    for path in paths:
        owners = _owners(seen.managed_fields, path)
        if not owners.keys().isdisjoint(ours):
            return ""
        named = named or min(owners, default="")
    return named


def is_owned_by_us(seen: Seen, path: Path, ours: Collection[str]) -> bool:
    """Tell whether we own something at `path`, above or within it."""
    return not _owners(seen.managed_fields, path).keys().isdisjoint(ours)


def is_written_by_us(seen: Seen, path: Path, ours: Collection[str]) -> bool:
    """Tell whether the value at `path` is owned as one value, and by us alone.

    Then nobody else can have changed it after us. Entries of a list do not show that, since a
    removal leaves no trace.
    """
    owners = _owners(seen.managed_fields, path)
    return bool(owners) and all(whole and name in ours for name, whole in owners.items())


def _owners(managed_fields: Json, path: Path) -> dict[str, bool]:
    """Who owns something at, above or within `path`, and whether it is one value to them."""
    owners: dict[str, bool] = {}
    for entry in managed_fields if isinstance(managed_fields, list) else ():
        if not isinstance(entry, Mapping):
            continue
        name, whole = entry.get("manager"), _is_whole(entry.get("fieldsV1"), path)
        if isinstance(name, str) and name not in _NAMELESS and whole is not None:
            owners[name] = whole and owners.get(name, True)
    return owners


def _is_whole(fields: Json, path: Path) -> bool | None:
    """Tell whether a tree owns `path` as one value (True) or in parts (False); None: not at all."""
    for depth, key in enumerate(path):
        if not isinstance(fields, Mapping):
            return None
        if not fields and depth:
            return True
        if (child := fields.get(f"f:{key}")) is None:
            return None
        fields = child
    return not (isinstance(fields, Mapping) and fields.keys() - {_ITSELF})
