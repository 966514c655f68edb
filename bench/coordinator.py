"""Measures the coordinator's CPU time a target, with workers that send no requests.

Scripted workers in processes of their own claim the targets of a run and report, at a given rate,
that they were patched. The measured process carries the run out as `apply --workers` does: it
claims, sends, receives, counts, records and logs. Its run file and its log are real; the start of a
command and the import of Dask are left out. CPU time is printed, since other processes may use the
machine. With `--profile` the time of each function is printed, too.
"""

import argparse
import cProfile
import gc
import json
import os
import pstats
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import NoReturn

import anyio

from bench.flat import RUN, kubeconfig_of, plan
from bench.generated_fleet import fleet, settlement_of
from fleetpatch.campaign.running.apply import apply
from fleetpatch.campaign.running.lanes import RunOrder
from fleetpatch.campaign.running.target_rows import RowJournal
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.clock import SystemClock
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.pace import PaceCause
from fleetpatch.model.run import RunInfo, RunState
from fleetpatch.workers import stream_channel
from fleetpatch.workers.channel import Channel
from fleetpatch.workers.connection import Connection
from fleetpatch.workers.coordinator import Coordinator
from fleetpatch.workers.messages import (
    REPORT_INTERVAL,
    Checked,
    FoundCluster,
    Hello,
    Order,
    Orders,
    RoundEnd,
    ShardReport,
    Welcome,
    WirePace,
    Work,
)
from fleetpatch.workers.pool import RemoteFleet
from fleetpatch.workers.questions import Ask
from fleetpatch.workers.remote_journal import RemoteJournal
from fleetpatch.workers.send_deadline import SendDeadline

CHUNK = 256
"""Targets of a claim; a lane with 64 workers claims as many."""


class ScriptedPool:
    """Implements `WorkerPool.fleet` with scripted workers; `rate` is of each, in targets/s."""

    def __init__(self, workers: int, rate: float) -> None:
        self.workers, self._rate = workers, rate

    @asynccontextmanager
    async def fleet(
        self, order: RunOrder, rows: RowJournal, open_targets: Mapping[str, int]
    ) -> AsyncIterator[RemoteFleet]:
        """Serve the workers while the block runs."""
        coordinator = Coordinator(Work(order.info), 60.0, order.clock, order.log, order.stop)
        with ExitStack() as processes:
            async with (
                stream_channel.listening(coordinator.serve, "127.0.0.1", 0, None) as port,
                anyio.create_task_group() as tasks,
            ):
                await tasks.start(coordinator.run)
                for number in range(self.workers):
                    words = [str(number), str(port), coordinator.session, str(self._rate)]
                    processes.enter_context(_worker(words))
                while len([one for one in coordinator.workers.values() if one.is_ready]) < (
                    self.workers
                ):
                    await coordinator.looked()
                yield RemoteFleet(coordinator, order, rows, open_targets)
                await coordinator.dismiss()
                tasks.cancel_scope.cancel()

    def reading(self, info: RunInfo, settings: Settings, tables: bytes = b"") -> NoReturn:
        """Do not call this: the run is planned without workers."""
        raise NotImplementedError


class ScriptedWorker:
    """A worker that settles each target that it has claimed."""

    def __init__(self, number: int, port: int, session: str, rate: float) -> None:
        self._port, self._rate = port, rate
        hello = Hello(session, secrets.token_hex(8), f"tcp://{number}", str(number))
        self._clock = SystemClock()
        deadline = SendDeadline(self._clock, lambda: None)
        self._connection = Connection(self._connect, hello, deadline, self._clock, self._take)
        self._settled: dict[int, list[Settlement]] = {}
        self._ended: dict[int, RoundEnd] = {}
        self._orders: dict[int, Order] = {}

    async def run(self) -> None:
        """Work until the end of the session."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._report)
            await self._connection.run()
            self._tasks.cancel_scope.cancel()

    async def _connect(self) -> Channel:
        return await stream_channel.connect("127.0.0.1", self._port, None, 2.0)

    def _take(self, message: Welcome | Orders | Ask) -> None:
        if isinstance(message, Welcome):
            found = tuple(FoundCluster(one.name) for one in message.work.info.clusters)
            self._tasks.start_soon(self._connection.checked, Checked(found))
        elif isinstance(message, Orders):
            for order in message.shards:
                if order.epoch not in self._orders:
                    self._orders[order.epoch] = order
                    self._settled[order.epoch] = []
                    self._tasks.start_soon(self._run_shard, order)

    async def _run_shard(self, order: Order) -> None:
        journal = RemoteJournal(order.epoch, self._connection.call, self._clock)
        await journal.in_doubt(order.cluster, after=0, limit=CHUNK)
        last = 0
        began_at, settled = self._clock.monotonic(), 0
        while claimed := await journal.claim(
            order.cluster, limit=CHUNK, last=order.last, after=last
        ):
            last = claimed[-1].id
            for target in claimed:
                settled += 1
                early = began_at + settled / self._rate - self._clock.monotonic()
                if early > 0.01:
                    await anyio.sleep(early)
                self._settled[order.epoch].append(settlement_of(target))
        self._ended[order.epoch] = RoundEnd()

    async def _report(self) -> None:
        pace = WirePace(64, None, PaceCause.WORK)
        while True:
            shards = []
            for epoch, settled in self._settled.items():
                self._settled[epoch] = []
                sent = {"patch": len(settled)}
                ended = self._ended.get(epoch)
                shards.append(ShardReport(epoch, 1, 0, pace, settled, requests=sent, ended=ended))
            await self._connection.report(tuple(shards))
            await anyio.sleep(REPORT_INTERVAL)


@contextmanager
def _worker(words: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "bench.coordinator", "--worker", *words])
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def measure(
    run_file: Path, targets: int, pool: ScriptedPool, profile: cProfile.Profile | None
) -> float:
    """Carry out a run of so many targets; return the CPU seconds of this process."""
    await plan(run_file, targets, pool.workers)
    began = time.process_time()
    if profile is not None:
        profile.enable()
    summary = await apply(run_file, Settings(run_file.parent.parent, workers=pool))
    if profile is not None:
        profile.disable()
    spent = time.process_time() - began
    if summary.state is not RunState.FINISHED:
        raise AssertionError(summary.cause)
    return spent


def main() -> None:
    """Measure, or be one of the workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=2_000, help="targets/s of each worker")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        number, port, session, rate = options.worker
        anyio.run(ScriptedWorker(int(number), int(port), session, float(rate)).run)
        return
    # As the command line does.
    gc.freeze()
    pool = ScriptedPool(options.workers, options.rate)
    for _ in range(options.rounds):
        spent = {}
        profile = cProfile.Profile() if options.profile else None
        for targets in (options.few, options.targets):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "runs").mkdir()
                (folder / "kubeconfig").write_text(
                    json.dumps(kubeconfig_of(fleet(options.workers, targets)))
                )
                os.environ["KUBECONFIG"] = str(folder / "kubeconfig")
                run_file = folder / "runs" / f"{RUN}.run"
                work = (run_file, targets, pool, profile if targets == options.targets else None)
                spent[targets] = anyio.run(measure, *work, backend_options={"use_uvloop": True})
        few, many = spent
        cost = (spent[many] - spent[few]) * 1e6 / (many - few)
        print(f"{cost:6.1f} us CPU a target, of {many} targets", flush=True)
        if profile is not None:
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
