"""What a verification found, as text: one line for `status`, and the output of `verify`."""

from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.run import Summary
from fleetpatch.model.text import clean
from fleetpatch.model.times import rfc3339
from fleetpatch.model.verification import (
    OwnerCount,
    Verification,
    VerifiedTarget,
    VerifyResult,
    verification_as_json,
    verified_as_json,
)
from fleetpatch.report.table import table
from fleetpatch.report.wording import command, moment, number, several

OBJECTS_SHOWN: Final = 10
_MANAGERS_SHOWN: Final = 3

MEANING: Final = MappingProxyType(
    {
        VerifyResult.HOLDS: "have the values that the run left",
        VerifyResult.REVERTED: "have a value from before the change again",
        VerifyResult.CHANGED: "have other values, neither from before nor from the run",
        VerifyResult.GONE: "do not exist any more",
        VerifyResult.REPLACED: "were deleted and created again",
        VerifyResult.UNREAD: "could not be read",
    }
)
"""The meaning of each result; follows a number of objects in a sentence."""

_HEADER: Final = (
    *("CLUSTER", "KIND", "NAMESPACE", "NAME", "RESULT", "MANAGER", "SINCE", "DETAIL"),
)
_FIRST_TO_GO: Final = ("SINCE", "CLUSTER", "KIND")


def verification_line(verification: Verification) -> str:
    """Return one line for the status of a run: how much holds, what does not, and since when."""
    counts = verification.counts
    others = [
        f"{number(count)} {result.value}{_by(verification, result)}"
        for result, count in counts.items()
        if count and result is not VerifyResult.HOLDS
    ]
    held = _held(verification, "object")
    wave = f"wave {verification.wave}: " if verification.wave else ""
    text = ", ".join([f"{wave}{held}", *others])
    return f"Verified: {text} ({moment(verification.ended_at)}, by {clean(verification.by)})"


def verified_lines(summary: Summary, objects: Sequence[VerifiedTarget]) -> Iterator[str]:
    """Yield what the latest verification of a run found; `objects` are some that do not hold."""
    found = summary.verification
    if found is None:
        raise AssertionError("the run was verified")
    counts = found.counts
    yield f"Run {clean(summary.info.run)} is verified: {_held(found, 'changed object')}."
    yield ""
    for result, count in counts.items():
        yield f"{result.value:<10}{number(count):>10}  {MEANING[result]}{_by(found, result)}"
    if summary.tally.in_doubt:
        in_doubt = several(summary.tally.in_doubt, "target")
        yield f"{in_doubt} in doubt are not verified; `resume` or `undo` reads them."
    if summary.undone_by:
        yield f"The run was undone by {clean(summary.undone_by)}."
    if objects:
        yield ""
        yield from table(_HEADER, map(_row, objects[:OBJECTS_SHOWN]), first_to_go=_FIRST_TO_GO)
    not_holding = found.targets - counts[VerifyResult.HOLDS]
    if not_holding > OBJECTS_SHOWN:
        yield f"... and {number(not_holding - OBJECTS_SHOWN)} more"
    if not_holding:
        yield ""
        # What can be listed: results are options of `targets`.
        words = [word for result in counts if _is_listed(counts, result) for word in _word(result)]
        yield f"Next:     {command('targets', *summary.words, *words)}  (lists them)"
    if counts[VerifyResult.REVERTED]:
        yield "Then:     stop what puts the values back, and apply the plan again"


def as_json(summary: Summary, objects: Iterable[VerifiedTarget]) -> dict[str, Json]:
    """Render the object that `verify -o json` prints; an interface (docs/reference.md)."""
    found = summary.verification
    return {
        "run": summary.info.run,
        "runFile": summary.run_file,
        "plan": {"name": summary.info.plan_name, "digest": summary.info.plan_digest},
        "verification": found and verification_as_json(found),
        "objects": [verified_as_json(one) for one in objects],
    }


def _held(found: Verification, noun: str) -> str:
    verb = "holds" if found.targets == 1 else "hold"
    return f"{number(found.counts[VerifyResult.HOLDS])} of {several(found.targets, noun)} {verb}"


def _is_listed(counts: dict[VerifyResult, int], result: VerifyResult) -> bool:
    return result is not VerifyResult.HOLDS and bool(counts[result])


def _word(result: VerifyResult) -> tuple[str, str]:
    return "--verified", result.value


def _by(found: Verification, result: VerifyResult) -> str:
    """Return ` by flux, 12 others`, for the results that writers cause."""
    if result not in {VerifyResult.REVERTED, VerifyResult.CHANGED}:
        return ""
    owners = [one for one in found.managers if one.result is result and one.manager]
    if not owners:
        return ""
    shown = ", ".join(map(_owner, owners[:_MANAGERS_SHOWN]))
    more = f" and {len(owners) - _MANAGERS_SHOWN} more" if len(owners) > _MANAGERS_SHOWN else ""
    return f" by {shown}{more}"


def _owner(owner: OwnerCount) -> str:
    since = f" since {moment(owner.first)}" if owner.first is not None else ""
    return f"{clean(owner.manager)}{since}"


def _row(one: VerifiedTarget) -> tuple[str, ...]:
    target, verified = one.target, one.verified
    return (
        target.cluster,
        target.kind,
        target.namespace,
        target.name,
        verified.result.value,
        verified.manager,
        rfc3339(verified.since) or "",
        verified.detail,
    )
