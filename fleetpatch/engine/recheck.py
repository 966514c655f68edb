"""Asks the plan's `where` again about an object that was changed after it was planned."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Evaluated
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.steps import End, Send, Step

Recheck: TypeAlias = Callable[[Target, Seen], Awaitable[Evaluated]]
"""Evaluates `where` for an object of a target. Raises SurroundingsError."""


async def rechecked(
    recheck: Recheck | None, target: Target, seen: Seen | None, step: Step, unmatched: Step
) -> Step:
    """Return `step`, or what follows if `where` is not true any more: `unmatched`.

    Only a PATCH that is about to be sent depends on `where`, and only if the object has changed.
    """
    is_new = seen is not None and seen.resource_version != target.resource_version
    if recheck is None or seen is None or not is_new or not isinstance(step, Send):
        return step
    result = await recheck(target, seen)
    if result.error:
        return End(Reason.INAPPLICABLE, result.error, wrote=step.ours or None)
    return step if result.matches else unmatched
