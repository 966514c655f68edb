"""Retries of one target, from its first PATCH to its end, with tenacity.

An attempt that settles nothing is repeated after a wait, until the attempts or the deadline of the
target are used up. Only results are retried: exceptions, cancellation among them, pass through
tenacity to the caller.
"""

from collections.abc import Callable

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from fleetpatch.engine.attempt import AttemptResult, Deferred, Retryable, RetryRecord
from fleetpatch.engine.patcher import TargetPatcher
from fleetpatch.engine.policy import PatchContext
from fleetpatch.model.answer import status_and_text
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Clock
from fleetpatch.model.target import Target
from fleetpatch.rules.running.backoff import Backoff


class ClusterPatcher(msgspec.Struct, frozen=True):
    """Patches targets of one cluster; shared by the workers of its lane.

    `random` is uniform in [0, 1) and spreads the waits.
    """

    context: PatchContext
    random: Callable[[], float]

    async def patch(
        self,
        target: Target,
        *,
        in_doubt: bool = False,
        on_retry: Callable[[RetryRecord], None] = ignore,
    ) -> Settlement | Deferred:
        """Patch `target`; `on_retry` is called before the wait for each retry.

        `in_doubt`: a PATCH of an earlier process may have reached the server, so read first.
        """
        patcher = TargetPatcher(self.context, target, in_doubt=in_doubt)
        # Most targets end here. An AsyncRetrying costs about 30 µs of CPU, a tenth of all the work
        # for a target, so it is built only for a target that needs it.
        ended = await patcher.send_first()
        if ended is None:
            ended = await self._retry(patcher, on_retry)
        return ended

    async def _retry(
        self, patcher: TargetPatcher, on_retry: Callable[[RetryRecord], None]
    ) -> Settlement | Deferred:
        context, policy = self.context, self.context.policy
        # An instance for each target: it keeps state that workers must not share.
        retrying = AsyncRetrying(
            stop=stop_after_attempt(policy.attempts) | StopBeforeDeadline(patcher, policy.deadline),
            wait=WaitBackoff(policy.backoff, context.clock, self.random),
            retry=retry_if_result(lambda result: isinstance(result, Retryable)),
            before_sleep=lambda state: on_retry(_record_of(patcher.target, state)),
            # Without a retry left, return the last result instead of raising RetryError.
            retry_error_callback=_retryable,
            # A requested shutdown ends the wait early.
            sleep=lambda seconds: context.pacer.idle_workers.back_off(seconds, context.shutdown),
        )
        result: AttemptResult = await retrying(patcher.attempt)
        return await patcher.give_up(result) if isinstance(result, Retryable) else result


class StopBeforeDeadline(stop_base):
    """Stops before a wait that would end after the target's deadline.

    tenacity's `stop_before_delay` counts from its first attempt and on its own clock; the deadline
    of a target, in seconds, counts from its first PATCH: the wait for the pacer is not part of it.
    """

    def __init__(self, patcher: TargetPatcher, deadline: float) -> None:
        self._patcher = patcher
        self._deadline = deadline

    def __call__(self, retry_state: RetryCallState) -> bool:
        """Return whether the deadline is before the end of the next wait."""
        return self._patcher.elapsed + retry_state.upcoming_sleep > self._deadline


class WaitBackoff(wait_base):
    """Waits for an exponential backoff with jitter, or longer if the server asks for it."""

    def __init__(self, backoff: Backoff, clock: Clock, random: Callable[[], float]) -> None:
        self._backoff = backoff
        self._clock = clock
        self._random = random

    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the seconds to wait after the attempt that `retry_state` holds."""
        last = _retryable(retry_state)
        return self._backoff.delay(
            retry_state.attempt_number,
            last.reply,
            now=self._clock.wall(),
            random=self._random(),
            pause=last.pause,
        )


def _record_of(target: Target, state: RetryCallState) -> RetryRecord:
    last = _retryable(state)
    status, detail = status_and_text(last.reply)
    return RetryRecord(
        target,
        state.attempt_number,
        status,
        last.verdict,
        detail,
        state.upcoming_sleep,
        last.reason,
    )


def _retryable(state: RetryCallState) -> Retryable:
    """Return the last result, which is retryable whenever tenacity asks for a policy."""
    if state.outcome is None or not isinstance(result := state.outcome.result(), Retryable):
        raise AssertionError("a policy was called for an attempt that needs no retry")
    return result
