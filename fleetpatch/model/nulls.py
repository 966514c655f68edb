"""Nulls in lists: servers of two versions merge them differently, and none can test them."""

from collections.abc import Iterator, Mapping

from fleetpatch.model.fields import Json, Path


def null_entries(value: Json, path: Path = ()) -> Iterator[Path]:
    """The lists in `value` that hold a null, directly or further down.

    They are named by the keys that lead there; a list within a list is not named by itself.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from null_entries(inner, (*path, key))
    elif isinstance(value, list) and has_null_entry(value):
        yield path


def has_null_entry(value: Json) -> bool:
    """Tell whether `value` is or holds a list with a null in it."""
    if isinstance(value, Mapping):
        return any(map(has_null_entry, value.values()))
    return isinstance(value, list) and (None in value or any(map(has_null_entry, value)))
