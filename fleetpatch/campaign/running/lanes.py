"""Builds the lane of one cluster, in the process that sends its requests."""

import random
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from fleetpatch.campaign.running.recheck import Rechecks
from fleetpatch.campaign.running.traces import Traces
from fleetpatch.campaign.running.wiring import pacer_of, patch_policy_of
from fleetpatch.campaign.settings import Stop
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.policy import PatchContext
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import Ended, LaneJournal
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.pace import Ceilings, Pace
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Clock, Events
from fleetpatch.model.run import RunInfo
from fleetpatch.model.target import Target
from fleetpatch.model.traffic import Traffic
from fleetpatch.rules.patching.merging import RunMerging


class Guard(Protocol):
    """Says whether requests may be sent: a Lease, or a window."""

    def holds(self) -> bool:
        """Return whether a request may be sent now; stop the run if not."""
        ...

    def left(self) -> float:
        """Return for how many seconds `holds` stays true at least; 0 or less: it is not."""
        ...


class Listeners(msgspec.Struct, frozen=True):
    """The calls of lanes to their session, before anything else is sent.

    `reported` takes what a worker has reported together, in place of `settled`. `paced` is called
    with the cluster, and its reported and new pace.
    """

    settled: Callable[[Target, Settlement], None]
    reported: Callable[[Ended], None]
    retried: Callable[[RetryRecord], None]
    paced: Callable[[str, Pace, Pace], None]


class LoggedCluster(Protocol):
    """A cluster, as the log of a run sees it; `ApiServer` documents the attributes."""

    name: str
    server: str
    insecure: bool

    @property
    def kubeconfig_warnings(self) -> Sequence[str]:
        """What the kubeconfig has and is ignored, a line each."""
        ...

    @property
    def warnings(self) -> ServerWarnings:
        """The warnings of the server so far."""
        ...


class RunCluster(LoggedCluster, Protocol):
    """A cluster of a run, as a session sees it; `ApiServer` documents the attributes."""

    requests: dict[str, int]

    @property
    def traffic(self) -> Traffic:
        """The requests that have ended in this session so far."""
        ...


class RunOrder(msgspec.Struct, frozen=True):
    """A run that is to be carried out, and what its lanes use of its session.

    `merging` is how its servers merge. `tables` are those that `where` reads, as
    the run file keeps them. `read_only`: see `PatchPolicy`.
    `others_send`: seconds for which workers of a session that was killed may still send. `stop` and
    `warn` are those of the session.
    """

    info: RunInfo
    plan: Plan
    merging: RunMerging
    tables: bytes
    read_only: bool
    others_send: float
    request_timeout: float
    journal: LaneJournal
    clock: Clock
    log: Events
    stop: Stop
    warn: Callable[[str], None]
    traces: Traces = msgspec.field(default_factory=Traces)


def rechecks_of(order: RunOrder) -> Rechecks:
    """Return the rechecks of a run, to be used in `async with` around its lanes."""
    return Rechecks(order.info, order.plan, order.tables, read_only=order.read_only)


def lane_of(
    order: RunOrder,
    cluster: ApiServer,
    shutdown: Shutdown,
    ceilings: Ceilings,
    listeners: Listeners,
    rechecks: Rechecks,
) -> Lane:
    """Create the lane of `cluster`; `shutdown` is its own, since a breaker stops one cluster."""
    plan, clock = order.plan, order.clock
    policy = patch_policy_of(
        order.info,
        plan,
        cluster.name,
        merging=order.merging.at(cluster.name),
        read_only=order.read_only,
        recheck=rechecks.of(cluster),
    )

    def paced(old: Pace, new: Pace) -> None:
        listeners.paced(cluster.name, old, new)

    pacer = pacer_of(plan, clock, ceilings, paced)
    patched = order.traces.patched(cluster, clock)
    return Lane(
        ClusterPatcher(PatchContext(patched, policy, pacer, shutdown, clock), random.random),
        order.journal,
        ceilings.concurrency,
        on_settled=listeners.settled,
        on_retried=listeners.retried,
    )
