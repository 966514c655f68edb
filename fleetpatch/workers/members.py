"""The workers of a session, as the coordinator sees them."""

from collections.abc import Sequence

import anyio

from fleetpatch.workers.channel import Channel
from fleetpatch.workers.messages import Checked, Hello
from fleetpatch.workers.questions import Ask, ReadResult
from fleetpatch.workers.remote_lane import RemoteLane


class Asked:
    """A question that waits for its answer; `result` stays None if the worker is lost."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.done = anyio.Event()
        self.result: ReadResult | None = None


class Worker:
    """One worker, as the coordinator sees it; times are on the coordinator's monotonic clock."""

    def __init__(self, hello: Hello, now: float) -> None:
        self.agent, self.address = hello.agent, hello.worker
        self.name = hello.name
        self.channel: Channel | None = None
        self.heard_at = self.may_send_until = now
        self.checked: Checked | None = None
        self.taken = self.answers = 0
        self.is_ordered = False
        self.lanes: list[RemoteLane] = []
        self.asks: dict[int, Asked] = {}

    @property
    def is_ready(self) -> bool:
        """Whether it can be given shards."""
        return self.channel is not None and self.checked is not None and not self.problems

    @property
    def problems(self) -> Sequence[str]:
        """What it lacks of the clusters, a line each."""
        found = self.checked.clusters if self.checked else ()
        return [
            # Some errors begin with the cluster, too.
            f"cluster {one.name}: {one.problem.removeprefix(f'cluster {one.name}: ')}"
            for one in found
            if one.problem
        ]

    @property
    def running(self) -> list[RemoteLane]:
        """Its lanes with a round under way."""
        return [lane for lane in self.lanes if lane.is_running]

    @property
    def load(self) -> int:
        """The open targets of its lanes."""
        return sum(lane.weight for lane in self.running)
