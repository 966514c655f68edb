"""The state in which a run ends, and the exit code of its process."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from fleetpatch.errors import Exit
from fleetpatch.model.cause import EXIT_OF, Cause, CauseCode, by_gravity
from fleetpatch.model.run import RunState, Tally

NONE_MISSING: Final[Mapping[str, str]] = MappingProxyType({})
LEFT_OPEN: Final = Cause(CauseCode.TARGETS_OPEN, "targets were left open")


def final_state(
    tally: Tally,
    causes: Sequence[Cause],
    halted: Cause | None = None,
    missing: Mapping[str, str] = NONE_MISSING,
    *,
    verified: Cause | None = None,
    unverified: bool = False,
) -> tuple[RunState, Cause | None]:
    """Return the state of a run whose lanes have stopped, and the cause.

    `causes` say why lanes stopped early; `halted` names the threshold that was exceeded, if any;
    `missing` has the clusters that the run leaves out, with the reason. `verified` is what the
    verification of the run found; `unverified` means that it is still to be verified.
    The cause of the run is the gravest of several.
    """
    # A threshold halts the run even if no target is open: people must look before more is sent.
    # Otherwise the run is finished if every target has an outcome, even if a lane was stopped.
    if halted:
        return RunState.HALTED, halted
    if tally.open == 0 and not unverified:
        return RunState.FINISHED, _shortfall(tally, missing, verified)
    first, *others = by_gravity(causes) or [LEFT_OPEN]
    more = f" (and {len(others)} more)" if others else ""
    return RunState.PAUSED, Cause(first.code, f"{first}{more}")


def _shortfall(tally: Tally, missing: Mapping[str, str], verified: Cause | None) -> Cause | None:
    """Say what a finished run has not done, or what was not kept, if anything."""
    if tally.failed:
        failed = "1 target failed" if tally.failed == 1 else f"{tally.failed} targets failed"
        return Cause(CauseCode.TARGETS_FAILED, failed)
    if verified is not None:
        return verified
    if missing:
        (name, why), *others = missing.items()
        more = f" (and {len(others)} more)" if others else ""
        text = f"cluster {name} was left out, since it could not be reached: {why}{more}"
        return Cause(CauseCode.CLUSTERS_MISSING, text)
    return None


def exit_code(state: RunState, tally: Tally, *, partly: bool = False, cause_code: str = "") -> Exit:
    """The exit code for a run that is in `state`.

    `partly` means that a paused run did all that it could: a breaker stopped the targets that are
    open, and the rest of the fleet finished. `cause_code` is empty if the run file was written by
    a version without causes, and it may be one of a later version.
    """
    match state:
        case RunState.PAUSED if partly:
            return Exit.SOME_FAILED
        case RunState.PAUSED:
            return EXIT_OF.get(cause_code, Exit.PAUSED)
        case RunState.FINISHED:
            # Run files of earlier versions have no cause.
            return Exit.SOME_FAILED if tally.failed else EXIT_OF.get(cause_code, Exit.OK)
        case RunState.HALTED:
            return Exit.HALTED
        case _:
            return Exit.PAUSED
