"""What to do with a target once its object has been read, or has come back from a PATCH.

The order of the questions matters. Identity first: a recreated object is never touched. Then
whether the fields at stake could be read. Then
whether the wanted values hold: if so there is nothing left to do, whoever did it. Then drift, which
names the field at stake, and last the selector, which our own patch may have made untrue; a plan
that overwrites drift still answers to the selector.

Once a PATCH of ours has left, whatever was answered, wanted values are our change, unless
managedFields name another writer (`fleetpatch.rules.answers.field_owners`). A value that is neither
as planned nor as wanted is drift: every run writes as the same field manager, so managedFields do
not tell another run from a webhook that changed our PATCH. It is ours only where it is on record as
ours, or where the answer was lost and another field shows that our PATCH was carried out.

A patch that must not be done twice (`is_repeatable`) asks more: it is sent only where every field
is as planned, and once it may have been applied, what it cannot account for is left alone even by a
plan that overwrites.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from fleetpatch.model.change import (
    FIELD_MANAGER,
    BodyPatch,
    Change,
    PatchType,
    PlanChange,
    Restoration,
    is_repeatable,
)
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Path, Value, is_obstructed, look_up, show
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.covering import covers, is_stored_form
from fleetpatch.rules.answers.field_owners import is_owned_by_us, is_written_by_us, other_writer
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, goal, need


class OnDrift(StrEnum):
    """What to do with a field that changed since it was planned (`guards.onDrift`)."""

    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class End:
    """The target is settled."""

    reason: Reason
    detail: str = ""
    resource_version: str | None = None
    wrote: Fields | None = None
    """What we left in the fields, where that is not what was wanted but what the server made."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send (again): `goal` is to hold, guarded by this version."""

    goal: Fields
    resource_version: str
    replaces: Fields | None = None
    """The values about to be replaced, where they are not the planned ones.

    So where drift is overwritten, and where somebody set some of the wanted values meanwhile.
    """
    ours: Fields = field(default_factory=dict)
    """What an attempt of ours has stored already."""


Step: TypeAlias = End | Send

_OURS: Final = frozenset({FIELD_MANAGER})


def after_read(
    target: Target,
    change: Change,
    seen: Seen | None,
    *,
    matches: bool,
    sent: bool,
    on_drift: OnDrift,
    release: str = "",
    managers: Collection[str] = _OURS,
    lost: bool = False,
) -> Step:
    """Decide after a read; `seen` is None where the object is gone.

    `lost` is set where the answer to a PATCH of ours is missing, or is one that the guard of the
    PATCH does not explain.

    `matches` tells whether a block that selected the target still does; `sent` whether a PATCH of
    ours may have reached the server: values that hold then count as applied, not as unchanged.
    `release` is the server's ("1.20"), which tells how it merges.
    `managers` are the field managers that we write as.
    """
    if seen is None:
        return End(Reason.GONE)
    if seen.uid != target.uid:
        return End(Reason.REPLACED, f"uid is {seen.uid}, was {target.uid} when planned")
    writers = managers if sent else None
    values = goal(change, target)
    if not seen.is_readable_at({*values, *target.before}):
        return End(Reason.UNREADABLE, _unreadable(seen, sent=sent))
    found = _found(values, seen)
    if not (missed := _missed(values, found, covers)):
        return _held(target, values, found, seen, writers)
    repeatable = is_repeatable(change)
    ours = _ours(target, change, values, seen, writers, lost=lost)
    drift = _drift(target.before, values, seen, ours, half_done_is_fine=repeatable)
    if drift:
        if on_drift is OnDrift.SKIP or isinstance(change, Restoration) or (sent and not repeatable):
            return End(Reason.DRIFTED, drift, wrote=ours or None)
        rules = merge_rules(target.resource, release)
        anew = _overwrite(change, seen, rules, matches=matches, writers=writers)
        return _with_ours(anew, ours, target.before)
    if ours and not repeatable:
        return _not_effective(missed, found, seen.resource_version, wrote=ours)
    if not matches:
        return _with_ours(_NO_LONGER_MATCHES, ours, target.before)
    current = {**_found(target.before, seen), **{path: target.before[path] for path in ours}}
    replaces = _unless_same(current, target.before)
    return Send(values, seen.resource_version, replaces, ours)


def after_patch(
    change: Change,
    values: Fields,
    known_version: str,
    seen: Seen,
    *,
    sent_before: bool = False,
    guarded: bool = True,
    dry_run: bool = False,
) -> End:
    """Decide after a 200: done, already so, or taken by the server without effect.

    `known_version` is the object's before the patch, as far as we know; `sent_before` tells that
    a PATCH of ours may have led to it. `guarded` says that the PATCH carried that version.
    """
    found = _found(values, seen)
    # A patch that changes nothing leaves the version as it was.
    untouched = known_version == seen.resource_version and not dry_run
    unchanged = untouched and not sent_before
    if not seen.is_readable_at(values):
        return _taken(seen, unchanged=unchanged, dry_run=dry_run)
    missed = _missed(values, found, is_stored_form)
    if missed and not _is_left_to_server(change, missed, untouched=untouched):
        # Without the guard by version, a value that is not as wanted may be another writer's.
        ours = found if guarded else {path: found[path] for path in found.keys() - missed.keys()}
        wrote = None if dry_run else ours
        return _not_effective(missed, found, seen.resource_version, wrote=wrote)
    return _taken(seen, _unless_same(found, values), unchanged=unchanged, dry_run=dry_run)


def _taken(seen: Seen, wrote: Fields | None = None, *, unchanged: bool, dry_run: bool) -> End:
    """The server took the patch."""
    if dry_run:
        return End(Reason.DRY_RUN)
    reason = Reason.ALREADY_SET if unchanged else Reason.PATCHED
    return End(reason, "", seen.resource_version, wrote)


def partly_stored(ours: Fields, version: str) -> End:
    """End a target of which a read showed values of ours, where no further PATCH may be sent.

    The values are recorded, so that undo covers them.
    """
    stored = "; ".join(f"{show(path)} is {_quote(value)}" for path, value in ours.items())
    detail = f"the server stored our change in part: {stored}"
    return End(Reason.NOT_EFFECTIVE, detail, version, wrote=ours)


def values_left(
    reason: Reason, goal: Fields, ours: Fields, *, replaced: Fields | None
) -> Fields | None:
    """Return what we left in the fields of a target that ended so; None where the plan says it.

    `ours` is what a read showed of ours; `replaced` are values that the patch replaced instead of
    the planned ones.
    """
    match OUTCOME_OF[reason]:
        case Outcome.APPLIED:
            # Where other values were replaced, others were wanted than the plan's.
            return goal if replaced is not None else None
        case Outcome.SKIPPED | Outcome.FAILED if reason not in _WITHOUT_OUR_OBJECT:
            return ours or None
        case _:
            return None


def outweighs_refusal(step: Step, refused: Reason) -> bool:
    """Tell whether a read shows more than the refusal of a PATCH did.

    Otherwise the target ends as it was refused, also where somebody else has changed it meanwhile.
    """
    return isinstance(step, End) and step.reason in _OUTWEIGHS_REFUSAL - {refused}


_OUTWEIGHS_REFUSAL: Final = frozenset(
    {
        Reason.SETTLED_BY_READING,
        Reason.ALREADY_SET,
        Reason.NOT_EFFECTIVE,
        Reason.GONE,
        Reason.REPLACED,
    }
)
_WITHOUT_OUR_OBJECT: Final = frozenset({Reason.GONE, Reason.REPLACED})
"""Nothing that we wrote is there any more."""

_MERGED_BY_SCHEMA: Final = frozenset({PatchType.STRATEGIC, PatchType.APPLY})
_NO_LONGER_MATCHES = End(Reason.NO_LONGER_MATCHES, "the plan's selector matches it no longer")


def _unreadable(seen: Seen, *, sent: bool) -> str:
    return f"{seen.unreadable}; our change may be in it" if sent else seen.unreadable


_Writers: TypeAlias = Collection[str] | None
"""The field managers that we write as; None where no PATCH of ours can have reached the server."""


def _held(target: Target, values: Fields, found: Fields, seen: Seen, writers: _Writers) -> End:
    """End with values that hold."""
    changed = [
        path
        for path, value in values.items()
        if not deep_equal(target.before.get(path, ABSENT), value)
    ]
    return _done(changed, seen, writers, _unless_same(found, values))


def _done(changed: Iterable[Path], seen: Seen, writers: _Writers, wrote: Fields | None) -> End:
    """End with values that hold by our hand, or by somebody else's."""
    if writers is None:
        return End(Reason.ALREADY_SET, "", seen.resource_version, wrote)
    if other := other_writer(seen, changed, writers):
        return End(Reason.ALREADY_SET, f"written by {other}", seen.resource_version)
    return End(Reason.SETTLED_BY_READING, "", seen.resource_version, wrote)


def _ours(
    target: Target,
    change: Change,
    values: Fields,
    seen: Seen,
    writers: _Writers,
    *,
    lost: bool,
) -> Fields:
    """What an attempt of ours left in the touched fields, though not all is as wanted.

    A patch is carried out as a whole or not at all. It was carried out where a field has changed to
    its wanted value and belongs to our field manager.
    """
    earlier = target.earlier.wrote if target.earlier else {}
    found = {
        path: current
        for path, current in _found(target.before, seen).items()
        if not deep_equal(current, target.before[path])
    }
    was_done = writers is not None and any(
        path in values
        and is_stored_form(current, values[path])
        and is_owned_by_us(seen, path, writers)
        for path, current in found.items()
    )

    def is_ours(path: Path, current: Value) -> bool:
        if path in earlier and deep_equal(current, earlier[path]):
            return True
        if writers is None or not was_done:
            return False
        wanted = is_repeatable(change) and path in values and is_stored_form(current, values[path])
        if wanted and not other_writer(seen, [path], writers):
            return True
        # Without a lost answer the guard has refused our PATCH: another run wrote the value.
        return lost and is_written_by_us(seen, path, writers)

    return {path: current for path, current in found.items() if is_ours(path, current)}


def _not_effective(missed: Fields, found: Fields, version: str, *, wrote: Fields | None) -> End:
    """End with a change that the server took without making all of it; `wrote` is what it made."""
    lines = [
        f"{show(path)} is {_quote(found[path])}, wanted {_quote(value)}"
        for path, value in missed.items()
    ]
    stored = {path: value for path, value in (wrote or {}).items() if path not in missed}
    lines += [f"{show(path)} is {_quote(value)}, as wanted" for path, value in stored.items()]
    return End(Reason.NOT_EFFECTIVE, "; ".join(lines), version, wrote)


def _overwrite(
    change: PlanChange, seen: Seen, rules: MergeRules, *, matches: bool, writers: _Writers
) -> Step:
    """Plan the object anew, from what it holds now."""
    match need(change, seen, rules):
        case Unchanged(before=held):
            return _done(held, seen, writers, None)
        case _ if not matches:
            return _NO_LONGER_MATCHES
        case DoesNotFit(reason=reason, detail=detail):
            return End(reason, detail)
        case NeedsPatch(before=replaces, wanted=values):
            return Send(values, seen.resource_version, replaces)


def _with_ours(step: Step, ours: Fields, planned: Fields) -> Step:
    """The step of an object that holds values of ours, which undo replaces by the planned ones."""
    match step:
        case Send(replaces=replaces):
            kept = {path: planned[path] for path in ours if replaces and path in replaces}
            return replace(step, replaces={**(replaces or {}), **kept}, ours=ours)
        case End(reason=Reason.SETTLED_BY_READING | Reason.ALREADY_SET):
            return step
        case End():
            return replace(step, wrote=ours or None)


def _is_left_to_server(change: Change, missed: Fields, *, untouched: bool) -> bool:
    """Tell whether what we miss may be right all the same.

    Which lists a strategic merge or an apply merges, and by which key, is the server's to know.
    """
    if not (isinstance(change, BodyPatch) and change.type in _MERGED_BY_SCHEMA):
        return False
    return not untouched or all(isinstance(value, list) for value in missed.values())


def _found(values: Fields, seen: Seen) -> Fields:
    document = seen.document()
    return {path: look_up(document, path) for path in values}


def _missed(values: Fields, found: Fields, is_there: Callable[[Value, Value], bool]) -> Fields:
    """The wanted values that are not there."""
    return {path: value for path, value in values.items() if not is_there(found[path], value)}


def _unless_same(found: Fields, values: Fields) -> Fields | None:
    return None if deep_equal(found, values) else found


def _drift(
    before: Fields, values: Fields, seen: Seen, ours: Fields, *, half_done_is_fine: bool
) -> str:
    """Name the fields that are not as planned; empty where there are none.

    Those that hold what is `ours` are left out; where half-done is fine, those as wanted, too.
    """
    document = seen.document()

    def drifted(path: Path, planned: Value, current: Value, wanted: Value) -> bool:
        if path in ours:
            return False
        if is_obstructed(document, path):
            return True
        return not deep_equal(current, planned) and not (
            half_done_is_fine and is_stored_form(current, wanted)
        )

    return "; ".join(
        f"{show(path)} was {_quote(planned)} when planned, is {_quote(current)},"
        f" wanted {_quote(wanted)}"
        for path, planned in before.items()
        if drifted(
            path,
            planned,
            current := look_up(document, path),
            wanted := values.get(path, planned),
        )
    )


def _quote(value: Value) -> str:
    return "absent" if value is ABSENT else repr(value)
