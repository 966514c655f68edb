"""Decides what follows a read, and asks the plan's `where` again where that matters."""

from fleetpatch.engine.doubt import Doubt
from fleetpatch.engine.policy import PatchPolicy
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, Send, Step


async def step_after_read(
    policy: PatchPolicy, target: Target, seen: Seen | None, doubt: Doubt
) -> Step:
    """Return what follows a read; `seen` is None if the object is gone. Raises SurroundingsError.

    Only a PATCH that is about to be sent depends on `where`, and only if the object has changed.
    """
    matches = seen is not None and policy.matches(target, seen)
    step = _step(policy, target, seen, doubt, matches=matches)
    is_new = seen is not None and seen.resource_version != target.resource_version
    if policy.recheck is None or seen is None or not is_new or not isinstance(step, Send):
        return step
    result = await policy.recheck(target, seen)
    if result.error:
        return End(Reason.INAPPLICABLE, result.error, wrote=step.ours or None)
    return step if result.matches else _step(policy, target, seen, doubt, matches=False)


def _step(
    policy: PatchPolicy, target: Target, seen: Seen | None, doubt: Doubt, *, matches: bool
) -> Step:
    return after_read(
        target,
        policy.change,
        seen,
        matches=matches,
        sent=doubt.maybe_applied and not policy.dry_run,
        on_drift=policy.on_drift,
        merging=policy.merging,
        managers=policy.managers,
        lost=doubt.lost,
    )
