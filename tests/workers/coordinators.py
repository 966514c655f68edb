"""Coordinators with shards of fake run files, in virtual time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from fleetpatch.campaign.running.lanes import Listeners
from fleetpatch.campaign.settings import Stop
from fleetpatch.engine import pipeline
from fleetpatch.engine.writer import Ended, JournalWriter, OutcomeWriter
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.run import ClusterInfo, RunInfo
from fleetpatch.model.target import Target
from fleetpatch.workers.coordinator import Coordinator
from fleetpatch.workers.messages import Epoch, FoundCluster, RoundEnd, Work
from fleetpatch.workers.remote_lane import RemoteLane, RemoteRunCluster
from tests.fakes import FakeEvents, FakeJournal, FakeProgress, VirtualClock, seen_job, target_with
from tests.workers.memory_channel import ScriptedWorker
from tests.workers.row_journal import FakeRows

TIMEOUT = 15.0
_CLUSTERS = [f"prod-{letter}" for letter in "abcde"]
DONE = RoundEnd()
INFO = RunInfo("run", "x", "d", "{}", "t", "by", "1", (ClusterInfo("prod-a", "https://a"),))


class Home:
    """A coordinator with a shard of so many targets, and what it recorded.

    `shards` are the open targets of each shard; only the first one has any in the run file.
    """

    def __init__(self, targets: int, shards: Sequence[int] = ()) -> None:
        self.clock, self.events, self.stop = VirtualClock(), FakeEvents(), Stop()
        self.journal = FakeJournal([_target(number) for number in range(1, targets + 1)])
        self._writer = JournalWriter(self.journal)
        self.settled: list[int] = []
        self._workers: list[ScriptedWorker] = []
        self.coordinator = Coordinator(Work(INFO), TIMEOUT, self.clock, self.events, self.stop)
        self.lanes = [
            RemoteLane(
                RemoteRunCluster(ClusterInfo(name, f"https://{name}"), FoundCluster(name)),
                FakeRows(self._writer),
                Listeners(_never, self._note, lambda _record: None, lambda *_paces: None),
                Ceilings(None, 1, 4, adaptive=True),
                self.clock,
                weight,
                self.coordinator.changed,
            )
            for name, weight in zip(_CLUSTERS, shards or (targets,), strict=False)
        ]
        self.lane = self.lanes[0]
        for lane in self.lanes:
            self.coordinator.add(lane)
            self.stop.listen(lane.stop)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the shard while the block runs, which must end it."""
        writer = OutcomeWriter(
            self._writer,
            self.clock,
            self.events,
            FakeProgress(),
            lambda group: self.lane.recorded(len(group)),
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.coordinator.run)
            async with anyio.create_task_group() as runs:
                runs.start_soon(pipeline.run, self.lanes, writer)
                yield
            tasks.cancel_scope.cancel()
        for worker in self._workers:
            worker.close()

    def worker(self, name: str) -> ScriptedWorker:
        """Connect a worker."""
        worker = ScriptedWorker(self.coordinator.session, self.coordinator.serve, name)
        self._workers.append(worker)
        return worker

    async def started_shard(self) -> tuple[ScriptedWorker, Epoch]:
        """Let a worker join; return it and the epoch of the shard that it is given."""
        worker = self.worker("0")
        await worker.join("prod-a")
        return worker, (await worker.shard()).epoch

    def lost(self) -> Sequence[str]:
        """Return the workers that lost their shards."""
        return [line["worker"] for line in self.events.lines if line["event"] == "worker.lost"]

    def _note(self, ended: Ended) -> None:
        self.settled += [settlement.target for _, settlement in ended]


def _never(_target: Target, _settlement: Settlement) -> None:
    raise AssertionError("only lanes of this process settle targets one at a time")


def _target(number: int) -> Target:
    return target_with(seen_job(name=f"etl-{number}", uid=f"uid-{number}"), {}, number=number)
