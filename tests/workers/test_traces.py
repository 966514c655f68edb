"""What a run over workers shows of itself: its metrics and its trace.

Covered: metrics have the figures of the run file, PATCHes of workers join the trace of the command.
Left out: the same without workers (tests/cli/metrics, tests/e2e/test_traces.py).
"""

from fleetpatch.metrics import prometheus
from tests.e2e.gateways import gateway
from tests.e2e.receivers import attributes, receiving
from tests.values import replace
from tests.workers.conftest import Clusters, Dask


def test_metrics_have_the_figures_of_the_run_and_patches_join_its_trace(
    dask: Dask, clusters: Clusters
) -> None:
    tool = clusters.tool
    file = tool.folder / "m.prom"
    with (
        receiving() as receiver,
        gateway(clusters.servers["a"], lambda forward, *request: forward(*request)) as gate,
    ):
        for kubeconfig in (dask.kubeconfig, tool.folder / "kubeconfig"):
            gate.redirect(kubeconfig)
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}"}
        ended = replace(tool, variables=endpoint).run(
            *("apply", clusters.plan("new"), "--yes", "-o", "json"),
            *("--workers", dask.address, "--metrics-file", file),
        )

    assert ended.code == 0, ended.err
    samples = list(prometheus.parse(file.read_text()))

    def total(name: str, **labels: str) -> float:
        return sum(
            one.value
            for one in samples
            if one.name == f"fleetpatch_{name}" and labels.items() <= one.labels.items()
        )

    sent = ended.json["requests"]["patch"]
    assert total("requests_total", verb="patch", status="200") == sent == clusters.targets
    assert total("patch_duration_seconds_count") == sent
    assert total("targets", state="applied") == clusters.targets
    assert {one.labels.get("cluster") for one in samples} == {None, "a", "b", "c"}

    spans = {attributes(one)["fleetpatch.cluster"]: one for one in receiver.named("cluster")}
    assert set(spans) == {"a", "b", "c"}
    ids = f"00-{spans['a'].trace_id.hex()}-{spans['a'].span_id.hex()}"
    assert set(gate.traceparents) == {f"{ids}-00", f"{ids}-01"}
    # Workers have no spans of their own.
    assert receiver.named("PATCH") == []
