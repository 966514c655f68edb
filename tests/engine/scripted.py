"""A patcher of one target with a scripted cluster, and answers for such scripts."""

from collections.abc import Callable

from fleetpatch.engine.attempt import Deferred, RetryRecord
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, NoAnswer, Silence
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.target import Seen, Target
from tests.fakes import FakeCluster, VirtualClock, failure, in_turn, seen_job, target_of

CHANGE = MetadataChange(labels={"team": "red"})
PLANNED = seen_job({"team": "blue"}, version="10")
DONE = seen_job({"team": "red"}, version="11")
MOVED = seen_job({"team": "blue", "other": "x"}, version="15")
TARGET = target_of(CHANGE, PLANNED)

CONFLICT = failure(409, "Conflict", "the object has been modified")
BUSY = failure(429, "TooManyRequests", retry_after="2")
UNAVAILABLE = failure(503, "ServiceUnavailable")
TIMED_OUT = failure(504, "Timeout", "request did not complete")
UNAUTHORIZED = failure(401, "Unauthorized")
RESET = NoAnswer(Silence.RESET, "connection reset by peer")
UNREACHABLE = NoAnswer(Silence.UNREACHABLE, "connection refused")
FORBIDDEN = failure(403, "Forbidden", "no")
NOT_SERVED = Answer(404, message="404 page not found")


def always_matches(_target: Target, _seen: Seen) -> bool:
    return True


POLICY = PatchPolicy(CHANGE, always_matches)


class ScriptedPatcher:
    """A patcher with a scripted cluster, which records requests and retries."""

    def __init__(
        self,
        policy: PatchPolicy = POLICY,
        *,
        pacer_rate: float | None = None,
        random: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.clock = VirtualClock()
        self.cluster = FakeCluster(self.clock)
        self.retries: list[RetryRecord] = []
        pacer = Pacer(self.clock, Ceilings(pacer_rate), random=random)
        self.shutdown = Shutdown(self.clock)
        self.patcher = ClusterPatcher(
            PatchContext(self.cluster, policy, pacer, self.shutdown, self.clock), random
        )

    def will(
        self,
        *patches: Answer | NoAnswer,
        reads: tuple[Answer | NoAnswer, ...] = (),
    ) -> "ScriptedPatcher":
        self.cluster.patches, self.cluster.reads = in_turn(*patches), in_turn(*reads)
        return self

    async def settle(self, target: Target = TARGET, *, in_doubt: bool = False) -> Settlement:
        ended = await self.patcher.patch(target, in_doubt=in_doubt, on_retry=self.retries.append)
        assert isinstance(ended, Settlement), ended
        return ended

    async def defer(self) -> Deferred:
        ended = await self.patcher.patch(TARGET, on_retry=self.retries.append)
        assert isinstance(ended, Deferred), ended
        return ended
