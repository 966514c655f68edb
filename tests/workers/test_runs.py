"""Runs whose requests are sent by the workers of a Dask cluster.

Covered: apply, resume, undo, waves, a stop by a limit, a cluster that is down, missing credentials,
workers of this machine, the run over time. Left out: workers that die or are silent
(test_lost_workers.py).
"""

from collections import Counter

from tests.e2e.tool import end, eventually
from tests.workers.conftest import Clusters, Dask
from tests.workers.own_workers import is_gone, workers_of

QUICK = {"attempts": 2, "maxDelay": "50ms"}


def test_workers_change_each_object_once_and_the_log_names_them(
    dask: Dask, clusters: Clusters
) -> None:
    ended = clusters.tool.run(
        "apply", clusters.plan("new"), "--yes", "-o", "json", "--workers", dask.address
    )

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == clusters.targets
    assert ended.json["requests"]["patch"] == clusters.targets
    assert clusters.sent() == [1] * clusters.targets
    log = clusters.log()
    joined = {line["worker"] for line in log if line["event"] == "worker.joined"}
    started = Counter(line["cluster"] for line in log if line["event"] == "shard.started")
    assert joined == {"0", "1"}
    assert started == Counter({"a": 1, "b": 1, "c": 1})
    assert sum(line["event"] == "target.applied" for line in log) == clusters.targets
    buckets = clusters.tool.run("report", "spread", "--json").json["timeline"]["buckets"]
    assert sum(one["ended"]["applied"] for one in buckets if one["ended"]) == clusters.targets
    assert sum(one["answers"].get("200", 0) for one in buckets) == clusters.targets
    assert sum(one["latencyMs"]["p50"] is not None for one in buckets) > 0


def test_an_undo_over_workers_restores_what_a_run_without_them_changed(
    dask: Dask, clusters: Clusters
) -> None:
    assert clusters.tool.run("apply", clusters.plan("new"), "--yes").code == 0

    ended = clusters.tool.run("undo", "spread", "--yes", "-o", "json", "--workers", dask.address)

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == clusters.targets
    assert clusters.sent() == [2] * clusters.targets


def test_waves_over_clusters_begin_one_after_another_on_the_same_workers(
    dask: Dask, clusters: Clusters
) -> None:
    waves = {"sizes": [3, "50%", "100%"]}
    ended = clusters.tool.run(
        "apply", clusters.plan("new", waves=waves), "--yes", "-o", "json", "--workers", dask.address
    )

    assert ended.code == 0, ended.err
    assert clusters.sent() == [1] * clusters.targets
    log = clusters.log()
    assert [line["wave"] for line in log if line["event"] == "wave.started"] == [1, 2, 3]
    assert sum(line["event"] == "shard.started" for line in log) == 3


def test_a_cluster_that_is_down_leaves_its_targets_and_the_other_shards_finish(
    dask: Dask, clusters: Clusters
) -> None:
    planned = clusters.tool.run("plan", clusters.plan("new", retry=QUICK))
    assert planned.code == 0, planned.err
    clusters.servers["b"].stop()

    ended = clusters.tool.run("apply", "spread", "--yes", "-o", "json", "--workers", dask.address)

    assert ended.code == 3, ended.err
    assert ended.json["outcomes"]["applied"] == 2 * clusters.targets // 3
    assert ended.json["outcomes"]["pending"] == clusters.targets // 3
    assert ended.json["cause"].startswith("b: the server cannot be reached")


def test_a_worker_without_the_credentials_of_a_cluster_is_refused_before_anything_is_sent(
    dask: Dask, clusters: Clusters
) -> None:
    planned = clusters.tool.run("plan", clusters.plan("new"))
    assert planned.code == 0, planned.err
    dask.kubeconfig.write_text(
        dask.kubeconfig.read_text().replace('"name": "b"', '"name": "other"')
    )

    ended = clusters.tool.run("apply", "spread", "--yes", "--workers", dask.address)

    assert ended.code == 2
    assert "worker 0: cluster b: " in ended.notes
    assert "nothing was sent" in ended.notes
    assert clusters.sent() == []


def test_a_run_without_open_targets_needs_no_workers(clusters: Clusters) -> None:
    file = clusters.plan("new")
    assert clusters.tool.run("apply", file, "--yes").code == 0
    planned = clusters.tool.run("plan", file, "-o", "json")

    ended = clusters.tool.run(
        "apply", planned.json["runFile"], "--yes", "-o", "json", "--workers", "tcp://127.0.0.1:1"
    )

    assert ended.code == 0, ended.err
    assert (ended.json["state"], ended.json["outcomes"]["unchanged"]) == (
        "finished",
        clusters.targets,
    )


def test_processes_of_this_machine_send_over_tls_and_end_with_the_command(
    clusters: Clusters,
) -> None:
    process = clusters.tool.fork("apply", clusters.plan("new"), "--yes", "--workers", 2)
    seen: set[int] = set()

    def has_ended() -> bool:
        seen.update(workers_of(process))
        return process.poll() is not None

    eventually(has_ended, "the command has ended")
    ended = end(process)

    assert ended.code == 0, ended.err
    assert clusters.sent() == [1] * clusters.targets
    # The same ones list and send.
    assert len(seen) == 2
    assert all(map(is_gone, seen))
    addresses = [line["address"] for line in clusters.log() if line["event"] == "worker.joined"]
    assert [address.partition("127")[0] for address in addresses] == ["tls://", "tls://"]
