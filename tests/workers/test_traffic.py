"""The traffic of clusters whose requests workers send, as their session sees it.

Covered: a worker reports what is new, the coordinator adds it up, what a session says of a
cluster's load. Left out: how requests are counted (tests/kube/test_traffic.py).
"""

from typing import Any

from fleetpatch.campaign.running.live import LiveCounts
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.model.live import ClusterLoad
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.pace import Ceilings, Pace, PaceCause
from fleetpatch.model.run import ClusterInfo, RunState, Tally
from fleetpatch.model.traffic import Traffic
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.workers.messages import FoundCluster, Order, ShardReport, WirePace
from fleetpatch.workers.remote_lane import RemoteLane, RemoteRunCluster
from fleetpatch.workers.send_deadline import SendDeadline
from fleetpatch.workers.shard import Shard
from tests.fakes import FakeJournal, FakeProgress, VirtualClock
from tests.plans import plan_from
from tests.report.samples import a_summary, a_target
from tests.workers.memory_channel import IGNORING
from tests.workers.row_journal import FakeRows

PACE = WirePace(4, 50.0, PaceCause.LATENCY)
CEILINGS = Ceilings(None, 1, 4, adaptive=True)
FIRST = Traffic({("patch", "200"): 3}, {4: 3}, 0.25)
SECOND = Traffic({("patch", "200"): 1, ("patch", "429"): 2}, {4: 1, 9: 2}, 0.5)
BOTH = Traffic({("patch", "200"): 4, ("patch", "429"): 2}, {4: 4, 9: 2}, 0.75)


def a_lane() -> tuple[RemoteRunCluster, RemoteLane]:
    cluster = RemoteRunCluster(ClusterInfo("prod-a", "https://a"), FoundCluster("prod-a"))
    journal = FakeRows(JournalWriter(FakeJournal([])))
    lane = RemoteLane(
        cluster, journal, IGNORING, CEILINGS, VirtualClock(), 1, lambda _changed: None
    )
    return cluster, lane


async def test_the_traffic_of_a_cluster_is_the_sum_of_what_its_workers_report() -> None:
    cluster, lane = a_lane()

    lane.begin(1)
    await lane.take(ShardReport(1, 1, 0, PACE, traffic=FIRST))
    lane.begin(2)
    await lane.take(ShardReport(2, 1, 0, PACE, traffic=SECOND))
    # The former worker has lost the cluster.
    await lane.take(ShardReport(1, 1, 0, PACE, traffic=SECOND))

    assert cluster.traffic == BOTH


def test_a_worker_reports_what_is_new_since_its_last_report() -> None:
    clock = VirtualClock()
    run: Any = type("Run", (), {"clock": clock})
    shard = Shard(
        Order("prod-a", 1, 1, None, CEILINGS),
        run,
        SendDeadline(clock, lambda: None),
        lambda _urgent: None,
    )
    server = ApiServer("prod-a", Connection("ctx", "clu", "https://a"), clock=clock)
    shard._server = server
    meter = server._transport.meter

    meter.note("patch", 200, meter.now())
    first = shard.report().traffic
    meter.note("patch", 200, meter.now())
    meter.note("patch", 429, meter.now())
    second = shard.report().traffic

    assert first.answers == {("patch", "200"): 1}
    assert second.answers == {("patch", "200"): 1, ("patch", "429"): 1}
    assert first + second == server.traffic
    assert shard.report().traffic == Traffic()


async def test_a_session_shows_what_it_does_in_each_cluster() -> None:
    cluster, lane = a_lane()
    summary = a_summary(RunState.RUNNING, Tally(pending=9), {Outcome.APPLIED: {}})
    plan = plan_from(
        {
            "metadata": {"name": "x"},
            "targets": [{"kinds": ["jobs.batch"]}],
            "patch": {"labels": {"a": "1"}},
        }
    )
    counts = LiveCounts(summary, plan, VirtualClock(), FakeProgress())
    counts.watch([lane], [cluster], lambda: summary.usage)
    lane.begin(1)
    await lane.take(ShardReport(1, 1, 3, PACE, traffic=FIRST))
    for verdict in (Verdict.RETRY, Verdict.CONFLICT, Verdict.CONFLICT):
        counts.attempt_retried(RetryRecord(a_target(), 1, 409, verdict, "", 0.0, Reason.EXHAUSTED))

    assert counts.loads() == {
        "prod-a": ClusterLoad(
            3, Pace(4, 50.0, PaceCause.LATENCY), FIRST, {"retry": 1, "conflict": 2}
        )
    }
