"""Which field manager wrote a field last, as far as `metadata.managedFields` shows.

The server records the field manager of every write. The manager that changes a value becomes its
owner, and the former owner loses it; managers that apply the same value share it. Each manager has
a tree of `f:name` for fields and `k:`, `v:`, `i:` for entries of lists; an empty tree is a field
that is owned as one value, and `.` is the map or list itself. A removal leaves no trace.

Source: kubernetes.io, "Server-Side Apply"; k8s.io/apimachinery, meta/v1 FieldsV1.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from fleetpatch.model.fields import Json, Path
from fleetpatch.model.target import Seen

_NAMELESS: Final = frozenset({"", "unknown", "before-first-apply"})
"""Managers that the server records where it does not know the writer of a field."""

_ITSELF: Final = "."


def other_writer(seen: Seen, paths: Iterable[Path], ours: Collection[str]) -> str:
    """Return another manager that owns one of `paths` where we own none of them; else empty.

    `ours` are the managers that we write as. Without managedFields the result is empty.
    """
    named = ""
    for path in paths:
        owners = _owners(seen.managed_fields, path)
        if not owners.keys().isdisjoint(ours):
            return ""
        named = named or min(owners, default="")
    return named


def is_owned_by_us(seen: Seen, path: Path, ours: Collection[str]) -> bool:
    """Report whether we own a field at `path`, above or within it."""
    return not _owners(seen.managed_fields, path).keys().isdisjoint(ours)


def is_written_by_us(seen: Seen, path: Path, ours: Collection[str]) -> bool:
    """Report whether the value at `path` is owned as one value, and by us only.

    Then no other writer has changed it after us. Entries of a list do not prove that, since a
    removal leaves no trace.
    """
    owners = _owners(seen.managed_fields, path)
    return bool(owners) and all(whole and name in ours for name, whole in owners.items())


def _owners(managed_fields: Json, path: Path) -> dict[str, bool]:
    """The owners of fields at, above or within `path`; True for one that owns it as one value."""
    owners: dict[str, bool] = {}
    for entry in managed_fields if isinstance(managed_fields, list) else ():
        if not isinstance(entry, Mapping):
            continue
        name, whole = entry.get("manager"), _is_whole(entry.get("fieldsV1"), path)
        if isinstance(name, str) and name not in _NAMELESS and whole is not None:
            owners[name] = whole and owners.get(name, True)
    return owners


def _is_whole(fields: Json, path: Path) -> bool | None:
    """Report whether a tree owns `path` as one value (True), in parts (False) or not (None)."""
    for depth, key in enumerate(path):
        if not isinstance(fields, Mapping):
            return None
        if not fields and depth:
            return True
        if (child := fields.get(f"f:{key}")) is None:
            return None
        fields = child
    return not (isinstance(fields, Mapping) and fields.keys() - {_ITSELF})
