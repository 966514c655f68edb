"""Which values in an object a PATCH of ours wrote, where its answer does not show that.

A wanted value counts as ours unless `metadata.managedFields` names another writer. What a field has
more than was wanted may be a default, or another writer's addition, made since the PATCH. It counts
as ours only if our field manager alone owns it, or if it is a default that servers are known to
add. Otherwise the wanted value is recorded without it: then an undo, which compares whole values,
leaves the field as it is.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from fleetpatch.model.change import Change, is_repeatable
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value, show
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.covering import entry_before, is_stored_form
from fleetpatch.rules.answers.field_owners import (
    Steps,
    is_owned_by_us,
    is_written_by_us,
    managers_of,
    other_owner_of_whole,
    other_writer,
)
from fleetpatch.rules.answers.further_fields import is_default
from fleetpatch.rules.answers.holding import Holds, Writers

_SHOWN: Final = 5
"""Additions to name in a detail."""


def recorded(
    values: Fields, found: Fields, before: Fields, seen: Seen, writers: Writers
) -> tuple[Fields, str]:
    """Return what counts as ours of a target that holds all wanted values, and what does not.

    The text names the additions that may be another writer's.
    """
    wrote, lines = dict(found), []
    if writers is None:
        return wrote, ""
    for path, value in values.items():
        if added := _additions(path, found[path], value, before, seen, writers):
            wrote[path] = value
            lines.append(_named(path, added))
    return wrote, "; ".join(lines)


def _named(path: Path, added: list[str]) -> str:
    more = ", ".join(added[:_SHOWN]) + (", ..." if len(added) > _SHOWN else "")
    return f"{show(path)} also has {more}, which may be another writer's and is not undone"


def written_by_others(
    before: Fields, values: Fields, seen: Seen, writers: Writers
) -> tuple[Fields | None, str]:
    """Return the values that our PATCH replaced; None if no other manager wrote a field.

    `values` are the wanted ones. Another manager wrote its fields before our PATCH, or again after
    it. So they count as replaced with their values of now, and undo leaves them as they are. The
    text names them.
    """
    managers = writers or ()

    def is_removal(path: Path) -> bool:
        return has_only(values.get(path, ABSENT), before[path])

    others = {
        path: (current, other)
        for path, current in seen.values(before).items()
        if not deep_equal(current, before[path])
        and (
            other := other_owner_of_whole(seen, path, managers)
            or ("" if is_removal(path) else other_writer(seen, [path], managers))
        )
    }
    if not others:
        return None, ""
    now = {path: current for path, (current, _) in others.items()}
    lines = (
        f"{show(path)} was written by {name} and is not undone"
        for path, (_, name) in others.items()
    )
    return {**before, **now}, "; ".join(lines)


def has_only(current: Value, before: Value) -> bool:
    """Return whether a value has nothing that it did not have before.

    A removal leaves no trace in managedFields, so the owner of a part that is left did not have to
    make it.
    """
    if isinstance(current, dict) and isinstance(before, dict):
        return all(has_only(each, before.get(key, ABSENT)) for key, each in current.items())
    if isinstance(current, list) and isinstance(before, list):
        return all(
            has_only(each, entry_before(before, each, place)) for place, each in enumerate(current)
        )
    return current is ABSENT or deep_equal(current, before)


def without(seen: Seen, ours: Iterable[Path], before: Fields) -> Seen:
    """Return the object as it would be if our fields had their values of before."""
    document = seen.document()
    for path in ours:
        document = _with_value(document, path, before[path])
    return replace(seen, whole=document)


def _with_value(document: Value, path: Path, value: Value) -> Value:
    if not path:
        return value
    if value is ABSENT and document is ABSENT:
        return ABSENT
    kept = dict(document) if isinstance(document, dict) else {}
    inner = _with_value(kept.pop(path[0], ABSENT), path[1:], value)
    return kept if inner is ABSENT else {**kept, path[0]: inner}


def values_of_ours(
    target: Target,
    change: Change,
    values: Fields,
    seen: Seen,
    writers: Writers,
    holds: Holds,
    *,
    lost: bool,
) -> Fields:
    """The values in the touched fields that an attempt of ours wrote, although some are not wanted.

    A patch is carried out as a whole or not at all. So if one field has changed to its wanted value
    and belongs to our field manager, the patch was carried out.
    """
    earlier = target.earlier.wrote if target.earlier else {}
    found = {
        path: current
        for path, current in seen.values(target.before).items()
        if not deep_equal(current, target.before[path])
    }

    def is_wanted(path: Path, current: Value) -> bool:
        if path not in values:
            return False
        # Further fields may be another writer's, unless our PATCH may have been carried out.
        stored = is_stored_form(current, values[path])
        return stored or (lost and holds(path, current, values[path]))

    was_done = writers is not None and any(
        is_wanted(path, current) and is_owned_by_us(seen, path, writers)
        for path, current in found.items()
    )

    def is_ours(path: Path, current: Value) -> bool:
        # Recorded as ours by an earlier session.
        if path in earlier and deep_equal(current, earlier[path]):
            return True
        if writers is None or not was_done:
            return False
        wanted = is_repeatable(change) and is_wanted(path, current)
        if wanted and not other_writer(seen, [path], writers):
            return not _additions(path, current, values[path], target.before, seen, writers)
        # A webhook may have changed the value of our PATCH. But if no answer was lost, the guard
        # refused our PATCH, so another run wrote the value.
        return lost and is_written_by_us(seen, path, writers)

    return {path: current for path, current in found.items() if is_ours(path, current)}


def _additions(
    path: Path, current: Value, wanted: Value, before: Fields, seen: Seen, writers: Writers
) -> list[str]:
    """Return the names of what a field has more than was wanted, and may be another writer's."""
    managers = set(writers or ())

    def is_the_servers(steps: Steps, key: str, value: Json, old: Value) -> bool:
        if is_default(key, value, old) and has_only(value, old):
            return True
        # What the server adds when it carries out our PATCH belongs to our manager. A field without
        # an owner may be a webhook's, and some gateways leave out the owners.
        found = managers_of(seen, steps, managers)
        return managers.issuperset(found) if found else is_default(key, value, old)

    # An undo puts back what is as before as well, and who wrote that does not matter.
    return [
        key
        for steps, key, value, old in _further(path, current, wanted, before.get(path, ABSENT))
        if not (deep_equal(value, old) or is_the_servers(steps, key, value, old))
    ]


def _further(
    steps: Steps, current: Value, wanted: Value, before: Value
) -> Iterator[tuple[Steps, str, Json, Value]]:
    """Yield what a value has more than was wanted: the way to it, its name, value, value before."""
    if isinstance(current, dict) and isinstance(wanted, dict):
        old = before if isinstance(before, dict) else {}
        for key, each in current.items():
            if key in wanted:
                yield from _further((*steps, key), each, wanted[key], old.get(key, ABSENT))
            else:
                yield (*steps, key), key, each, old.get(key, ABSENT)
    elif isinstance(current, list) and isinstance(wanted, list):
        for place, each in enumerate(current):
            at, was = (*steps, each), entry_before(before, each, place)
            if (entry := entry_before(wanted, each, place)) is ABSENT:
                yield at, _name_of(each, place), each, was
            else:
                yield from _further(at, each, entry, was)


def _name_of(entry: Json, place: int) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else f"entry {place}"
