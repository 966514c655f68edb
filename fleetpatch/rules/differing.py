"""Which fields two documents differ in.

Maps are compared entry by entry; lists and all else as one value, since a list has no names for its
places. Where a whole branch is new, its root is the field: what was absent was the root, and to
undo the change is to remove it.
"""

from collections.abc import Iterator

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value


def difference(before: Json, after: Json) -> tuple[Fields, Fields]:
    """The fields that differ, with their values in `before` and in `after`, sorted by path."""
    found = sorted(_differing(before, after, ()), key=lambda field: field[0])
    return (
        {path: old for path, old, _ in found},
        {path: new for path, _, new in found},
    )


def _differing(before: Value, after: Value, path: Path) -> Iterator[tuple[Path, Value, Value]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            yield from _differing(before.get(key, ABSENT), after.get(key, ABSENT), (*path, key))
    elif not deep_equal(before, after):
        yield path, before, after
