"""A Dask cluster with the certificates of a CA of its own, and `--workers tls://...`.

Scheduler and worker are processes with the options `--tls-*`; the command has Dask's settings in
its environment. Covered: a run, a coordinator with a certificate of another CA. Left out: the
manifests (test_manifests.py), the TLS of `--workers N` (test_runs.py).
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.certificates import Authority
from tests.control_plane.processes import free_ports
from tests.e2e.tool import Tool, end
from tests.workers.conftest import Clusters
from tests.workers.farm import environment


@contextmanager
def dask_process(authority: Authority, kubeconfig: Path, *words: object) -> Iterator[None]:
    certificate, key = authority.issue(str(words[0]))
    tls = ("--tls-ca-file", authority.file, "--tls-cert", certificate, "--tls-key", key)
    common = ("--host", "tls://127.0.0.1", "--no-dashboard")
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, (*words, *common, *tls))],
        env=environment({"KUBECONFIG": str(kubeconfig)}),
        cwd=kubeconfig.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


# Each command is a process of its own, since Dask reads its settings when it is imported.
def with_certificate_of(authority: Authority, trusted: Authority, tool: Tool) -> Tool:
    """Return the command line with Dask's TLS settings of a client."""
    certificate, key = authority.issue("client")
    settings = "DASK_DISTRIBUTED__COMM__TLS"
    variables = {
        f"{settings}__CA_FILE": str(trusted.file),
        f"{settings}__CLIENT__CERT": str(certificate),
        f"{settings}__CLIENT__KEY": str(key),
    }
    return Tool(tool.folder, tool.kubeconfig, {**tool.variables, **variables})


def test_a_run_over_tls_takes_the_certificates_of_the_clusters_ca_and_no_others(
    clusters: Clusters, tmp_path: Path
) -> None:
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    [port], tool = free_ports(1), clusters.tool
    address = f"tls://127.0.0.1:{port}"
    kubeconfig = tmp_path / "kubeconfig"
    file = clusters.plan("new")
    apply = ("apply", "spread", "--yes", "-o", "json", "--workers", address)
    scheduler = ("scheduler", "--port", port, "--dashboard-address", "127.0.0.1:0")
    with (
        dask_process(ours, kubeconfig, *scheduler),
        dask_process(ours, kubeconfig, "worker", address, "--nthreads", 1, "--no-nanny"),
    ):
        client = with_certificate_of(ours, ours, tool)
        planned = end(client.fork("plan", file, "--workers", address), 100)
        assert planned.code == 0, planned.err

        other = end(with_certificate_of(foreign, ours, tool).fork(*apply), 100)
        assert other.code == 1
        assert f"--workers {address}" in other.notes
        assert clusters.sent() == []

        ended = end(client.fork(*apply), 100)

    assert ended.code == 0, ended.err
    assert clusters.sent() == [1] * clusters.targets
    joined = [line for line in clusters.log() if line["event"] == "worker.joined"]
    assert [one["address"].partition("127")[0] for one in joined] == ["tls://"]
