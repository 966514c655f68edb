"""Two machines and one plan: processes that share no state but the cluster, kept apart by a Lease.

Covered, on a real control plane whose audit log shows who sent what: the second process is refused;
a holder that was killed is waited for and followed; one that was suspended while another took over
sends nothing when it wakes; a Lease that is taken away or deleted; a missing right; signals while
waiting; dry runs and undo. On the sandbox: the same plan twice. Left out: renewals that fail, and
when (tests/engine/leases).
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from tests.control_plane import ControlPlane
from tests.e2e.fleets import BATCH
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import SOON, Tool, end, eventually, plan
from tests.e2e.witnesses import Sent, audited

JOBS = 120
DURATION = 10
FAST = ("--yes", "-o", "json", "--rate", "1000/s")
LEASES = "/apis/coordination.k8s.io/v1/namespaces"


@dataclass(frozen=True)
class Cluster:
    """A namespace with jobs and a Lease on the real control plane.

    The audit log has nothing about it before byte `start`.
    """

    plane: ControlPlane
    namespace: str
    start: int

    @property
    def path(self) -> str:
        return f"{LEASES}/{self.namespace}/leases/relabel"

    def spec(self) -> dict[str, Any]:
        """Return the spec of the Lease; empty if it does not exist."""
        answer = self.plane.request("GET", self.path)
        spec: dict[str, Any] = answer.body["spec"] if answer.status == 200 else {}
        return spec

    def patched(self) -> list[Sent]:
        """Return the PATCH requests for jobs so far."""
        assert self.plane.audit_log is not None
        sent = audited(self.plane.audit_log, self.namespace, self.start)
        return [one for one in sent if one.name != "relabel"]

    def sent_by(self, run: str) -> list[Sent]:
        """Return the PATCH requests of a run for jobs so far."""
        return [one for one in self.patched() if run in one.user_agent]

    def plan(self, rate: str = "1/s", **more: Any) -> dict[str, Any]:
        lock = {"lease": f"{self.namespace}/relabel", "duration": f"{DURATION}s"}
        return plan(
            "relabel",
            {"kinds": ["jobs.batch"], "namespaces": [self.namespace], "selector": "app=etl"},
            patch={"labels": {"cost": "new"}},
            pace={"rate": rate, "burst": 1, "concurrency": 4},
            lock=lock,
            **more,
        )

    def unlabelled(self) -> int:
        """Return the number of unchanged jobs."""
        selector = "labelSelector=cost!=new"
        listed = self.plane.request("GET", f"{BATCH.path(self.namespace)}?{selector}")
        return len(listed.body["items"])


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Cluster:
    assert control_plane.audit_log is not None
    start = control_plane.audit_log.stat().st_size
    namespace = control_plane.namespace()
    control_plane.create_jobs(JOBS, namespace, labels=lambda _index: {"app": "etl"})
    return Cluster(control_plane, namespace, start)


def machine(cluster: Cluster, tmp_path: Path, name: str, user: str = "admin") -> Tool:
    """A machine of its own: its own state, home and kubeconfig."""
    folder = tmp_path / name
    folder.mkdir()
    return Tool(folder, cluster.plane.kubeconfig(folder / "kubeconfig", user))


@contextmanager
def applying(tool: Tool, cluster: Cluster) -> Iterator[Popen[str]]:
    """A run that has changed a few jobs, and would take long for the others."""
    file = tool.write("plan.yaml", cluster.plan())
    before = len(cluster.patched())
    process = tool.fork("apply", file, "--yes", "-o", "json")
    try:
        eventually(lambda: len(cluster.patched()) > before + 2, "some patches")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            end(process)


def lease_events(tool: Tool) -> list[str]:
    (log,) = tool.state.glob("runs/*.jsonl")
    events = [line["event"] for line in tool.log(log)]
    return [event for event in events if event.startswith("lease.")]


@pytest.mark.control_plane
def test_one_machine_runs_and_the_other_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    first, second = (machine(cluster, tmp_path, name) for name in ("first", "second"))
    with applying(first, cluster) as process:
        file = second.write("plan.yaml", cluster.plan())
        refused = second.run("apply", file, "--yes")

        assert refused.code == 6, refused.err
        assert f"_{process.pid}_" in refused.err
        assert f"lease {cluster.namespace}/relabel in cluster control-plane" in refused.err
        assert cluster.spec()["acquireTime"] in refused.err
        assert second.run("status", "relabel", "-o", "json").json["state"] == "planned"
        assert first.run("pace", "relabel", "--rate", "1000/s").code == 0
        ended = end(process)

    assert ended.code == 0, ended.err
    assert len(cluster.patched()) == JOBS, "the second one sent nothing"
    assert "holderIdentity" not in cluster.spec()
    assert lease_events(first) == ["lease.acquired", "lease.released"]

    # Now it has its turn: it plans again, finds nothing left to change, and needs no Lease.
    again = second.run("apply", "plan.yaml", "--yes", "-o", "json")
    assert again.json["outcomes"]["unchanged"] == JOBS
    assert cluster.spec()["leaseTransitions"] == 0


@pytest.mark.control_plane
def test_a_holder_that_was_killed_is_waited_for_and_followed(
    cluster: Cluster, tmp_path: Path
) -> None:
    first, second = (machine(cluster, tmp_path, name) for name in ("first", "second"))
    with applying(first, cluster) as process:
        process.kill()
        end(process)
    began = time.time()

    ended = second.run("apply", second.write("plan.yaml", cluster.plan()), *FAST)

    assert ended.code == 0, ended.err
    # The server may answer requests of the first one after its end.
    assert cluster.sent_by(ended.json["run"])[0].at >= began + DURATION - 0.5
    assert lease_events(second) == ["lease.awaited", "lease.acquired", "lease.released"]
    assert cluster.unlabelled() == 0
    # What the first had claimed is settled by reading, though the Lease had another holder since.
    resumed = first.run("resume", "relabel", *FAST)
    assert resumed.code == 0, resumed.err
    assert resumed.json["outcomes"]["pending"] == 0


@pytest.mark.control_plane
def test_a_holder_that_was_suspended_sends_nothing_when_it_wakes(
    cluster: Cluster, tmp_path: Path
) -> None:
    first, second = (machine(cluster, tmp_path, name) for name in ("first", "second"))
    with applying(first, cluster) as process:
        process.send_signal(signal.SIGSTOP)
        file = second.write("plan.yaml", cluster.plan("20/s"))
        successor = second.fork("apply", file, "--yes", "-o", "json")
        holder = f"_{successor.pid}_"
        eventually(lambda: holder in cluster.spec().get("holderIdentity", ""), "the next holder")
        woken = time.time()
        process.send_signal(signal.SIGCONT)
        ended = end(process)

        assert (ended.code, ended.json["causeCode"]) == (7, "lease-lost"), ended.err
        assert "was not renewed in time" in ended.json["cause"]
        assert ended.json["outcomes"]["failed"] == 0
        followed = end(successor)
        assert followed.code == 0, followed.err

    assert max(one.at for one in cluster.sent_by(ended.json["run"])) < woken
    # Both take the objects in the same order, so each one that it sent would be changed twice. What
    # was on its way when it was suspended may have arrived after the second one had planned, whose
    # PATCH is refused then.
    stored = Counter(one.name for one in cluster.patched() if one.status == HTTPStatus.OK)
    assert (len(stored), set(stored.values())) == (JOBS, {1})
    tried = Counter(one.name for one in cluster.sent_by(followed.json["run"]))
    assert set(tried.values()) == {1}
    assert cluster.unlabelled() == 0
    assert cluster.spec()["leaseTransitions"] == 1


@pytest.mark.control_plane
@pytest.mark.parametrize("way", ["taken", "deleted"])
def test_a_lost_lease_pauses_the_run_which_can_be_resumed(
    cluster: Cluster, tmp_path: Path, way: str
) -> None:
    tool = machine(cluster, tmp_path, "first")
    with applying(tool, cluster) as process:
        if way == "deleted":
            cluster.plane.request("DELETE", cluster.path)
        else:
            spec = {"holderIdentity": "\x1b[31msomebody"}
            merge = "application/merge-patch+json"
            cluster.plane.request("PATCH", cluster.path, {"spec": spec}, merge)
        ended = end(process, timeout=SOON)

    assert (ended.code, ended.json["causeCode"]) == (7, "lease-lost"), ended.err
    words = "was deleted" if way == "deleted" else "was taken over by somebody"
    cause = f"the lease {cluster.namespace}/relabel in cluster control-plane {words}"
    assert ended.json["cause"] == cause
    counts = ended.json["outcomes"]
    assert (counts["failed"], counts["applied"]) == (0, len(cluster.patched()))

    cluster.plane.request("DELETE", cluster.path)
    again = tool.run("resume", "relabel", *FAST)
    assert again.code == 0, again.err
    assert len(cluster.patched()) == JOBS


@pytest.mark.control_plane
def test_without_the_right_nothing_is_sent(cluster: Cluster, tmp_path: Path) -> None:
    tool = machine(cluster, tmp_path, "first", user="alice")

    ended = tool.run("apply", tool.write("plan.yaml", cluster.plan()), "--yes")

    assert ended.code == 7, ended.err
    assert "the verbs get, create and patch on leases.coordination.k8s.io" in ended.out
    assert "(lease-unavailable)" in ended.out
    assert cluster.patched() == []


@pytest.mark.control_plane
def test_a_dry_run_takes_no_lease_and_an_undo_does(cluster: Cluster, tmp_path: Path) -> None:
    tool = machine(cluster, tmp_path, "first")
    file = tool.write("plan.yaml", cluster.plan("1000/s"))

    assert tool.run("apply", file, "--yes", "--dry-run").code == 0
    assert cluster.spec() == {}
    applied = tool.run("apply", file, "--yes", "-o", "json")
    assert applied.code == 0, applied.err
    undone = tool.run("undo", applied.json["run"], "--yes")

    assert undone.code == 0, undone.err
    assert cluster.unlabelled() == JOBS
    assert cluster.spec()["leaseTransitions"] == 1


# On the sandbox


def holding(server: SandboxServer, name: str, holder: str) -> None:
    """Make a Lease whose holder does not renew it."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 60}
    document = {"metadata": {"name": name}, "spec": spec}
    assert server.client.request("POST", f"{LEASES}/default/leases", document).status == 201


def locked_plan() -> dict[str, Any]:
    return plan(
        "locked",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"cost": "new"}},
        lock={"lease": "default/locked"},
    )


def test_a_signal_ends_the_waiting_for_a_lease(tool: Tool) -> None:
    with sandbox(tool, jobs=100) as server:
        holding(server, "locked", "dead_1_x")
        process = tool.fork("apply", tool.write("plan.yaml", locked_plan()), "--yes")
        eventually(lambda: "lease.awaited" in "".join(_logs(tool)), "the waiting")
        process.send_signal(signal.SIGTERM)
        ended = end(process, timeout=SOON)

        assert ended.code == 5, ended.err
        assert "interrupted by SIGTERM" in ended.out
        assert server.sent() == 0


def _logs(tool: Tool) -> Iterator[str]:
    return (log.read_text() for log in tool.state.glob("runs/*.jsonl"))


def test_of_two_concurrent_processes_only_one_runs(tmp_path: Path) -> None:
    tools = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        tools.append(Tool(tmp_path / name, tmp_path / "kubeconfig"))
    document = locked_plan() | {
        "pace": {"rate": "1/s", "burst": 1},
        "lock": {"lease": "default/locked", "duration": f"{DURATION}s"},
    }
    with sandbox(tools[0], jobs=500) as server:
        processes = [
            tool.fork("apply", tool.write("plan.yaml", document), "--yes") for tool in tools
        ]
        eventually(lambda: any(one.poll() is not None for one in processes), "one is refused")
        (winner,) = (number for number, one in enumerate(processes) if one.poll() is None)
        assert tools[winner].run("pace", "locked", "--rate", "1000/s").code == 0
        codes = sorted(end(process).code for process in processes)

        assert codes == [0, 6]
        jobs = {path: sent for path, sent in server.patches().items() if "/jobs/" in path}
        assert (len(jobs), set(jobs.values())) == (100, {1})
