"""Which field manager wrote a field last, as far as `metadata.managedFields` shows.

The server records the field manager of every write. The manager that changes a value becomes its
only owner; managers that apply the same value share it. The fields of a manager are a tree of
`f:name` for fields and `k:`, `v:`, `i:` for entries of lists. An empty subtree is a field that is
owned as one value, and `.` is the map or list itself. Where nothing else is left of a manager, the
subtree of a map or list is empty as well; then another manager owns what is in it, one by one. A
removal leaves no trace.

A server takes such an emptied subtree for the owner of a value that became a map. So at the next
write of anyone it adds to it all that is in the map, although this manager did not write it. The
time of its entry stays.

Source: kubernetes.io, "Server-Side Apply"; k8s.io/apimachinery, meta/v1 FieldsV1;
sigs.k8s.io/structured-merge-diff, typed.ReconcileFieldSetWithSchema.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Json, Path
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean
from fleetpatch.model.times import LAST_SECOND
from fleetpatch.model.units import seconds_of_rfc3339

_NAMELESS: Final = frozenset({"", "unknown", "before-first-apply"})
"""Managers that a server records if it does not know the writer of a field."""

_QUOTED: Final = 128
"""Characters of a manager's name; a server accepts no longer one."""

_ITSELF: Final = "."
_FIELD: Final = "f:"
_KEYED: Final = "k:"
_UPDATE: Final = "Update"
"""The operation of every write but an apply."""

Steps: TypeAlias = Sequence[Json]
"""The way to a field that may lead through lists: keys of maps, and whole entries of lists."""


class Owner(NamedTuple):
    """A field manager, and the time of its last write, in seconds since the epoch, if known."""

    manager: str
    since: float | None = None


def latest_owner(seen: Seen, paths: Sequence[Path]) -> Owner | None:
    """Return the manager that owns one of `paths` and wrote last; None if that is not known.

    The time is that of the manager's last write to the object, of any of its fields: the server
    keeps one for all of them.
    """
    found = [
        Owner(clean(name, _QUOTED), _moment(entry))
        for name, entry in _entries(seen.managed_fields)
        if name not in _NAMELESS
        and any(_is_whole(entry.get("fieldsV1"), path) is not None for path in paths)
    ]
    return max(found, key=lambda one: (one.since or 0.0, one.manager), default=None)


def _moment(entry: Mapping[str, Json]) -> float | None:
    written = entry.get("time")
    seconds = seconds_of_rfc3339(written) if isinstance(written, str) else None
    # Before 1970 or after the year 9999 it is no time at which an object was written.
    return seconds if seconds is not None and 0 <= seconds < LAST_SECOND else None


def other_writer(seen: Seen, paths: Iterable[Path], managers: Collection[str]) -> str:
    """Return another manager that owns one of `paths`, if we own none of them; else "".

    `managers` are those that we write as. Without managedFields the result is "".
    """
    other = ""
    for path in paths:
        owners = _owners(seen.managed_fields, path, managers).keys()
        # One field is enough: a patch is carried out as a whole or not at all.
        if not owners.isdisjoint(managers):
            return ""
        other = other or min(owners - _NAMELESS, default="")
    return other


def is_owned_by_us(seen: Seen, path: Path, managers: Collection[str]) -> bool:
    """Return whether we own the field at `path`, or one above or within it."""
    return not _owners(seen.managed_fields, path, managers).keys().isdisjoint(managers)


def is_written_by_us(seen: Seen, path: Path, managers: Collection[str]) -> bool:
    """Return whether the value at `path` is owned as one value, and only by us.

    Then no other writer has changed it after us, not even one without a name. Ownership of the
    entries of a list does not prove that: another writer may have removed entries, and a removal
    leaves no trace.
    """
    owners = _owners(seen.managed_fields, path, managers)
    return bool(owners) and all(whole and name in managers for name, whole in owners.items())


def other_owner_of_whole(seen: Seen, path: Path, managers: Collection[str]) -> str:
    """Return another manager that owns the field at `path` as one value, even beside us; else "".

    It has written the value, or applied the same one. The value may have been there before ours.
    """
    owners = _owners(seen.managed_fields, path, managers)
    others = owners.keys() - {*managers, *_NAMELESS}
    return min((name for name in others if owners[name]), default="")


def managers_of(seen: Seen, steps: Steps, managers: Collection[str]) -> Collection[str]:
    """Return the managers that own the field at `steps`, or one above or within it.

    A manager without a name is among them. `managers` are those that we write as.
    """
    return _owners(seen.managed_fields, steps, managers).keys()


def _owners(managed_fields: Json, path: Steps, managers: Collection[str]) -> dict[str, bool]:
    """The owners of fields at, above or within `path`; True if one owns it as one value."""
    entries = list(_entries(managed_fields))
    trees = [entry.get("fieldsV1") for _, entry in entries]
    ours = [entry for name, entry in entries if name in managers]
    # An empty tree beside one with parts is the map or list itself, not its value.
    in_parts = any(_is_whole(tree, path) is False for tree in trees)
    owners: dict[str, bool] = {}
    for name, entry in entries:
        tree = entry.get("fieldsV1")
        whole = _is_whole(tree, path)
        if whole is None or _is_map_itself(trees, tree, path):
            continue
        if name not in managers and any(_is_listed_again(entry, own, path) for own in ours):
            continue
        # A manager may have several entries: one for each operation and API version.
        owners[name] = whole and not in_parts and owners.get(name, True)
    return owners


def _is_listed_again(other: Mapping[str, Json], own: Mapping[str, Json], path: Steps) -> bool:
    """Return whether all that an entry owns at `path` was taken over by ours, which is not older.

    Two managers share a field only if one of them applied it: an update takes it from the other.
    """
    since, ours_since = _moment(other), _moment(own)
    return (
        other.get("operation") == own.get("operation") == _UPDATE
        and since is not None
        and ours_since is not None
        and since <= ours_since
        and _has_all(_at(own.get("fieldsV1"), path), _at(other.get("fieldsV1"), path))
    )


def _has_all(ours: Json, theirs: Json) -> bool:
    """Return whether a tree has all the fields of another one."""
    return (
        isinstance(ours, Mapping)
        and isinstance(theirs, Mapping)
        and all(
            key in ours and _has_all(ours[key], each)
            for key, each in theirs.items()
            if key != _ITSELF
        )
    )


def _at(tree: Json, path: Steps) -> Json:
    """Return the subtree of the path itself; None if the tree does not have it."""
    for key in path:
        if not isinstance(tree, Mapping):
            return None
        tree = _child(tree, key)
    return tree


def _is_map_itself(trees: Sequence[Json], tree: Json, path: Steps) -> bool:
    """Return whether a tree ends above `path`, at a map whose fields have owners one by one."""
    ends = next((at for at in range(1, len(path)) if _at(tree, path[:at]) == {}), None)
    return ends is not None and any(_is_whole(each, path[:ends]) is False for each in trees)


def _entries(managed_fields: Json) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield the entries of all managers."""
    # A server or a gateway may send anything here, so entries of a wrong type are skipped.
    for entry in managed_fields if isinstance(managed_fields, list) else ():
        if isinstance(entry, Mapping):
            name = entry.get("manager")
            if isinstance(name, str):
                yield name, entry


def _is_whole(fields: Json, path: Steps) -> bool | None:
    """Return whether a tree owns `path` as one value (True), in parts (False) or not (None)."""
    for depth, key in enumerate(path):
        if not isinstance(fields, Mapping):
            return None
        # An empty tree above the path owns everything below it; an empty root owns nothing.
        if not fields and depth:
            return True
        if (child := _child(fields, key)) is None:
            return None
        fields = child
    return not (isinstance(fields, Mapping) and fields.keys() - {_ITSELF})


def _child(fields: Mapping[str, Json], step: Json) -> Json:
    """Return the tree of a field of a map, or of an entry of a list by its keys; None if none."""
    if isinstance(step, str):
        return fields.get(f"{_FIELD}{step}")
    for name, child in fields.items():
        if name.startswith(_KEYED) and _has_keys(step, name.removeprefix(_KEYED)):
            return child
    return None


def _has_keys(entry: Json, text: str) -> bool:
    """Return whether an entry of a list has the keys of a part of FieldsV1: `{"name":"c"}`."""
    try:
        keys = json.loads(text)
    except ValueError:
        return False
    return (
        isinstance(keys, dict)
        and isinstance(entry, Mapping)
        and all(name in entry and deep_equal(entry[name], key) for name, key in keys.items())
    )
