"""Whole runs over scripted clusters, in virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fleetpatch.engine import pipeline
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import JournalWriter, OutcomeWriter
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.pace import Ceilings
from tests.fakes import (
    FakeCluster,
    FakeEvents,
    FakeJournal,
    FakeProgress,
    ObjectStore,
    VirtualClock,
    seen_job,
    target_of,
)

CHANGE = MetadataChange(labels={"team": "red"})
POLICY = PatchPolicy(CHANGE, lambda _target, _seen: True)
LATENCY = 0.1
INTERRUPTED = Cause(CauseCode.INTERRUPTED, "interrupted")


def causes_of(lanes: Sequence[Lane]) -> tuple[str, ...]:
    """Return the causes of open targets, sorted."""
    return tuple(sorted({cause.text for lane in lanes for cause in lane.causes}))


@dataclass
class Fleet:
    """Clusters with jobs, a run file with targets for them, and the other parts of a run."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    events: FakeEvents = field(default_factory=FakeEvents)
    progress: FakeProgress = field(default_factory=FakeProgress)
    lanes: list[Lane] = field(default_factory=list)
    stores: list[ObjectStore] = field(default_factory=list)
    _writer: JournalWriter = field(init=False)

    def __post_init__(self) -> None:
        self._writer = JournalWriter(self.journal)

    def add(
        self,
        count: int,
        *,
        name: str = "prod-a",
        concurrency: int = 7,
        rate: float | None = None,
        adaptive: bool = False,
    ) -> FakeCluster:
        """Add a cluster of `count` jobs, with a lane."""
        seen = [
            seen_job({"team": "blue"}, name=f"{name}-{number}", uid=f"{name}-uid-{number}")
            for number in range(count)
        ]
        first = len(self.journal.pending) + 1
        self.journal.pending.extend(
            target_of(CHANGE, one, number=number, cluster=name)
            for number, one in enumerate(seen, first)
        )
        store = ObjectStore(seen)
        self.stores.append(store)
        cluster = FakeCluster(self.clock, store.patch, store.read, latency=LATENCY, name=name)
        pacer = Pacer(self.clock, Ceilings(rate, adaptive=adaptive))
        patcher = ClusterPatcher(
            PatchContext(cluster, POLICY, pacer, Shutdown(self.clock), self.clock), lambda: 0.5
        )
        self.lanes.append(
            Lane(
                patcher,
                self._writer,
                concurrency,
                on_retried=lambda _record: self.progress.retried(),
            )
        )
        return cluster

    async def run(self) -> tuple[str, ...]:
        writer = OutcomeWriter(self._writer, self.clock, self.events, self.progress)
        await pipeline.run(self.lanes, writer)
        return causes_of(self.lanes)

    def settled(self, outcome: Outcome) -> int:
        return sum(end.outcome is outcome for end in self.journal.settled.values())
