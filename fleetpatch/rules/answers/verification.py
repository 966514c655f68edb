"""What has become of an applied target, from its object as it is now.

The questions have an order:

1. Is it the same object? A recreated one never had our values.
2. Can the fields be read?
3. Do all fields have the values that the run left? They may have further entries that were not
   there before the run, except after an undo, which puts whole values back.
4. Is one of the others as it was before the change? Then it was reverted: a single field is enough,
   since somebody works against the change.
5. Otherwise it was changed to something else.
"""

from typing import Final

from fleetpatch.model.change import Change, Restoration
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Path, show, show_value
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.target import Seen, Target
from fleetpatch.model.text import clean
from fleetpatch.model.verification import Verified, VerifyResult
from fleetpatch.rules.answers.covering import covers
from fleetpatch.rules.answers.field_owners import latest_owner
from fleetpatch.rules.planning.result import applied_values, values_before

_DETAIL: Final = 500
"""Characters of a detail."""


def verify(change: Change, target: Target, settlement: Settlement, seen: Seen | None) -> Verified:
    """Compare an applied target with its object; `seen` is None if that does not exist."""
    if seen is None:
        return Verified(VerifyResult.GONE)
    if seen.uid != target.uid:
        detail = clean(f"uid is {seen.uid}, expected {target.uid}", _DETAIL)
        return Verified(VerifyResult.REPLACED, detail=detail)
    left = applied_values(change, target, settlement)
    if not seen.is_readable_at(left):
        return unread(seen.unreadable)
    found = {path: seen.value(path) for path in left}
    before = values_before(target, settlement)

    def is_at(path: Path, values: Fields, others: Fields) -> bool:
        if isinstance(change, Restoration):
            return deep_equal(found[path], values[path])
        return covers(found[path], values[path], others.get(path, ABSENT))

    lost = [path for path in left if not is_at(path, left, before)]
    if not lost:
        return _owned(VerifyResult.HOLDS, seen, list(left))
    reverted = [
        path
        for path in lost
        # A field that was as wanted before the change cannot be put back.
        if path in before and is_at(path, before, left) and not deep_equal(before[path], left[path])
    ]
    detail = "; ".join(
        f"{show(path)} is {show_value(found[path])}, and the run left {show_value(left[path])}"
        for path in reverted or lost
    )
    result = VerifyResult.REVERTED if reverted else VerifyResult.CHANGED
    return _owned(result, seen, reverted or lost, clean(detail, _DETAIL))


def unread(why: str) -> Verified:
    """Return the result of a target whose object could not be read."""
    return Verified(VerifyResult.UNREAD, detail=clean(why, _DETAIL))


def _owned(result: VerifyResult, seen: Seen, paths: list[Path], detail: str = "") -> Verified:
    # A field that does not exist has no owner; the owner of its parent did not remove it.
    present = [path for path in paths if seen.value(path) is not ABSENT]
    owner = latest_owner(seen, present)
    if owner is None:
        return Verified(result, detail=detail)
    return Verified(result, owner.manager, owner.since, detail)
