"""Which values in an object a PATCH of ours wrote, where its answer does not show that.

A wanted value counts as ours unless `metadata.managedFields` names another writer. What a field has
more than was wanted may be a default, or another writer's addition, made since the PATCH. It counts
as ours only if our field manager alone owns it, or if it is a default that servers are known to
add. Otherwise the wanted value is recorded without it: then an undo, which compares whole values,
leaves the field as it is.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.change import Change, is_repeatable
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value, show
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.covering import entry_before, is_stored_form
from fleetpatch.rules.answers.field_owners import (
    Steps,
    is_owned_by_us,
    is_written_by_us,
    other_writer,
    owners,
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
    for path, value in values.items():
        if added := _additions(path, found[path], value, before, seen, writers):
            wrote[path] = value
            lines.append(_named(path, added))
    return wrote, "; ".join(lines)


def _named(path: Path, added: list[str]) -> str:
    more = ", ".join(added[:_SHOWN]) + (", ..." if len(added) > _SHOWN else "")
    return f"{show(path)} also has {more}, which may be another writer's and is not undone"


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

    def is_the_servers(steps: Steps, key: str, value: Json) -> bool:
        # What the server adds when it carries out our PATCH belongs to our manager. A field without
        # an owner may be a webhook's, and some gateways leave out the owners.
        found = owners(seen, steps)
        return managers.issuperset(found) if found else is_default(key, value, ABSENT)

    # What is as before is put back by an undo as well, whoever wrote it.
    return [
        key
        for steps, key, value, old in _further(path, current, wanted, before.get(path, ABSENT))
        if not (deep_equal(value, old) or is_the_servers(steps, key, value))
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
        for place, (each, entry) in enumerate(zip(current, wanted, strict=False)):
            yield from _further((*steps, each), each, entry, entry_before(before, entry, place))
