"""Attempts: one target, from its first PATCH to its end; the only user of tenacity.

tenacity takes turns of a passage until one of them settles something, or the attempts or the time
that a target may take are used up.
It sees values only: an exception, cancellation above all, passes straight through it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from fleetpatch.engine.attempt import AttemptResult, Deferred, Retryable, RetryRecord
from fleetpatch.engine.patcher import TargetPatcher
from fleetpatch.engine.policy import PatchContext
from fleetpatch.model.answer import describe
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.target import Target


def _ignore(_record: RetryRecord) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class ClusterPatcher:
    """Patches targets of one cluster; shared by the workers of its lane.

    `random` is uniform in [0, 1) and spreads the waits.
    """

    context: PatchContext
    random: Callable[[], float]

    async def deliver(
        self,
        target: Target,
        *,
        in_doubt: bool = False,
        on_retry: Callable[[RetryRecord], None] = _ignore,
    ) -> Settlement | Deferred:
        """Bring `target` to its end; `on_retry` is called before the wait for each retry.

        `in_doubt`: a PATCH of an earlier process may have reached the server, so read first.
        """
        passage = TargetPatcher(self.context, target, in_doubt=in_doubt)
        turn = await passage.attempt()
        if not isinstance(turn, Retryable):
            return turn
        return await self._persist(passage, turn, on_retry)

    async def _persist(
        self,
        passage: TargetPatcher,
        first: Retryable,
        on_retry: Callable[[RetryRecord], None],
    ) -> Settlement | Deferred:
        """Go on with a passage whose first turn settled nothing."""
        turns: list[AttemptResult] = [first]

        async def next_turn() -> AttemptResult:
            # The first turn was taken before tenacity was called in: most targets never need it.
            return turns.pop() if turns else await passage.attempt()

        retrying = AsyncRetrying(
            stop=lambda state: self._is_over(passage, state),
            wait=self._wait,
            retry=retry_if_result(lambda turn: isinstance(turn, Retryable)),
            before_sleep=lambda state: on_retry(_record_of(passage, state)),
            retry_error_callback=_last_turn,
            sleep=self.context.shutdown.pause,
        )
        turn: AttemptResult = await retrying(next_turn)
        return await passage.give_up(turn) if isinstance(turn, Retryable) else turn

    def _is_over(self, passage: TargetPatcher, state: RetryCallState) -> bool:
        """Tell whether the target is given up; a wait past its deadline is not begun."""
        late = passage.seconds + state.upcoming_sleep > self.context.policy.deadline
        return late or state.attempt_number >= self.context.policy.attempts

    def _wait(self, state: RetryCallState) -> float:
        turn = _last_turn(state)
        return self.context.policy.backoff.delay(
            state.attempt_number,
            turn.reply,
            now=self.context.clock.wall(),
            random=self.random(),
            pause=turn.pause,
        )


def _record_of(passage: TargetPatcher, state: RetryCallState) -> RetryRecord:
    turn = _last_turn(state)
    status, detail = describe(turn.reply)
    wait = state.next_action.sleep if state.next_action else 0.0
    attempt, target = state.attempt_number, passage.target
    return RetryRecord(target, attempt, status, turn.verdict, detail, wait, turn.reason)


def _last_turn(state: RetryCallState) -> Retryable:
    if state.outcome is None or not isinstance(turn := state.outcome.result(), Retryable):
        raise AssertionError("tenacity asks only after a turn that settled nothing")
    return turn
