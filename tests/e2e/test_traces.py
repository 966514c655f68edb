"""Traces of commands, as a receiver of OTLP gets them.

Covered: the spans of plan, apply and undo, with waves and over workers; retried and failed attempts
as events; the header of each PATCH; the variables; a receiver that is down; secrets. Left out: what
OpenTelemetry does by itself (batches, samplers, limits).
"""

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import marking
from tests.e2e.gateways import Forward, Gateway, gateway
from tests.e2e.receivers import Receiver, attributes, receiving
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with sandbox(Tool(tmp_path_factory.mktemp("server")), jobs=100) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer, receiver: Receiver) -> Tool:
    """The command line, which sends traces to the receiver."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}"}
    return Tool(tmp_path, server.kubeconfig, endpoint)


def test_an_apply_has_spans_for_its_expansion_its_run_its_waves_and_its_clusters(
    tool: Tool, receiver: Receiver
) -> None:
    document = marking("waves", waves={"sizes": [5, "100%"]})

    ended = tool.run("apply", tool.write("p.yaml", document), "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    root, expansion, run = map(receiver.one, ("fleetpatch apply", "expansion", "run"))
    waves, clusters = receiver.named("wave"), receiver.named("cluster")
    assert {span.trace_id for span in receiver.spans} == {root.trace_id}
    assert not root.parent_span_id
    assert expansion.parent_span_id == run.parent_span_id == root.span_id
    assert [wave.parent_span_id for wave in waves] == [run.span_id] * 2
    assert [one.parent_span_id for one in clusters] == [wave.span_id for wave in waves]
    assert attributes(root) == {"fleetpatch.exit_code": 0}
    assert attributes(expansion)["fleetpatch.targets.total"] == ended.json["targets"]
    shown = attributes(run)
    assert shown["fleetpatch.run"] == ended.json["run"]
    assert shown["fleetpatch.state"] == "finished"
    assert shown["fleetpatch.targets.applied"] == ended.json["outcomes"]["applied"]
    assert [attributes(wave)["fleetpatch.wave"] for wave in waves] == [1, 2]
    assert receiver.resource["service.name"] == "fleetpatch"
    assert all(span.status.code == 0 for span in receiver.spans)


def through(tool: Tool, gate: Gateway) -> Tool:
    """The same command line, whose requests pass a gateway."""
    assert tool.kubeconfig is not None
    kubeconfig = tool.write("kubeconfig", tool.kubeconfig.read_text())
    gate.redirect(kubeconfig)
    return replace(tool, kubeconfig=kubeconfig)


def test_each_patch_joins_the_trace_and_a_sample_of_them_has_spans(
    tool: Tool, receiver: Receiver, server: SandboxServer
) -> None:
    with gateway(server, lambda forward, *request: forward(*request)) as gate:
        plan_file = tool.write("p.yaml", marking("joined"))
        ended = through(tool, gate).run("apply", plan_file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    cluster, attempts = receiver.one("cluster"), receiver.named("PATCH")
    trace = cluster.trace_id.hex()
    sampled = {f"00-{trace}-{one.span_id.hex()}-01" for one in attempts}
    counts = Counter(gate.traceparents)
    assert counts.total() == ended.json["requests"]["patch"]
    assert set(counts) == sampled | {f"00-{trace}-{cluster.span_id.hex()}-00"}
    assert all(counts[header] == 1 for header in sampled)
    for one in attempts:
        assert one.parent_span_id == cluster.span_id
        assert one.kind == 3  # a client
        shown = attributes(one)
        assert (shown["http.request.method"], shown["http.response.status_code"]) == ("PATCH", 200)
        assert shown["fleetpatch.name"]


def test_retried_and_failed_attempts_are_events_of_their_cluster(
    tool: Tool, receiver: Receiver, server: SandboxServer
) -> None:
    seen: list[str] = []
    lock = threading.Lock()
    invalid = {"kind": "Status", "reason": "Invalid", "code": 422, "message": "not like this"}

    def confuse(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if method != "PATCH":
            return forward(method, path, body)
        with lock:
            times = seen.count(path)
            seen.append(path)
        if path == seen[0]:
            return 422, json.dumps(invalid).encode()
        return forward(method, path, body) if times else (429, b"{}")

    with gateway(server, confuse) as gate:
        plan_file = tool.write("p.yaml", marking("events"))
        ended = through(tool, gate).run("apply", plan_file, "--yes", "-o", "json")

    assert ended.code == 3, ended.err
    cluster = receiver.one("cluster")
    events = [(one.name, attributes(one)) for one in cluster.events]
    retried = [shown for name, shown in events if name == "attempt.retried"]
    [failed] = [shown for name, shown in events if name == "target.failed"]
    assert len(retried) == ended.json["retries"]
    assert {shown["http.response.status_code"] for shown in retried} == {429}
    assert failed["fleetpatch.reason"] == "rejected"
    assert "not like this" in failed["fleetpatch.detail"]
    root = receiver.one("fleetpatch apply")
    assert root.status.code == 2  # an error
    assert attributes(root) == {"fleetpatch.exit_code": 3}
    assert attributes(receiver.one("run"))["fleetpatch.cause_code"] == "targets-failed"


def test_an_attempt_without_an_answer_is_a_failed_span(
    tool: Tool, receiver: Receiver, server: SandboxServer
) -> None:
    def confuse(forward: Forward, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        return (503, b"{}") if method == "PATCH" else forward(method, path, body)

    with gateway(server, confuse) as gate:
        document = marking("failing", retry={"attempts": 1})
        ended = through(tool, gate).run("apply", tool.write("p.yaml", document), "--yes")

    assert ended.code != 0
    attempt = receiver.named("PATCH")[0]
    assert attempt.status.code == 2
    assert attributes(attempt)["http.response.status_code"] == 503


def test_plan_and_undo_have_traces_of_their_own(tool: Tool, receiver: Receiver) -> None:
    plan_file = tool.write("p.yaml", marking("undone"))
    assert tool.run("plan", plan_file).code == 0
    assert tool.run("apply", "undone", "--yes").code == 0
    assert tool.run("undo", "undone", "--yes").code == 0

    roots = [span.name for span in receiver.spans if not span.parent_span_id]
    assert roots == ["fleetpatch plan", "fleetpatch apply", "fleetpatch undo"]
    assert len({span.trace_id for span in receiver.spans}) == 3
    assert len(receiver.named("expansion")) == 1
    undo = receiver.named("run")[-1]
    assert (
        attributes(undo)["fleetpatch.undo_of"]
        == attributes(receiver.named("run")[0])["fleetpatch.run"]
    )


def test_a_trace_can_begin_outside(tool: Tool, receiver: Receiver) -> None:
    outside = replace(tool, variables={**tool.variables, "TRACEPARENT": PARENT})

    assert outside.run("plan", tool.write("p.yaml", marking("outside"))).code == 0

    root = receiver.one("fleetpatch plan")
    _, trace, parent, _ = PARENT.split("-")
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (trace, parent)


def test_a_refused_plan_is_a_failed_span(tool: Tool, receiver: Receiver) -> None:
    assert tool.run("plan", tool.write("p.yaml", "kind: Plan")).code == 2

    root = receiver.one("fleetpatch plan")
    assert root.status.code == 2
    assert attributes(root) == {"fleetpatch.exit_code": 2, "fleetpatch.cause_code": "usage"}


def test_the_standard_variables_name_the_service_and_have_headers(
    tool: Tool, receiver: Receiver
) -> None:
    more = {"OTEL_SERVICE_NAME": "nightly", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hunter2"}
    named = replace(tool, variables={**tool.variables, **more})

    ended = named.run("plan", tool.write("p.yaml", marking("named")))

    assert ended.code == 0
    assert receiver.resource["service.name"] == "nightly"
    assert receiver.headers[0]["x-key"] == "hunter2"


def test_a_sampler_that_drops_a_run_sends_nothing_and_asks_no_server_to_trace(
    tool: Tool, receiver: Receiver, server: SandboxServer
) -> None:
    dropping = {**tool.variables, "OTEL_TRACES_SAMPLER": "always_off"}
    with gateway(server, lambda forward, *request: forward(*request)) as gate:
        dropped = through(replace(tool, variables=dropping), gate)
        assert dropped.run("apply", tool.write("p.yaml", marking("dropped")), "--yes").code == 0

    assert receiver.spans == []
    assert gate.traceparents
    assert all(header.endswith("-00") for header in gate.traceparents)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_without_the_variables_nothing_is_traced(
    tool: Tool, server: SandboxServer, variables: dict[str, str]
) -> None:
    with gateway(server, lambda forward, *request: forward(*request)) as gate:
        off = through(replace(tool, variables=variables), gate)
        name = f"off-{len(variables.get('OTEL_TRACES_EXPORTER', ''))}{len(variables)}"
        ended = off.run("apply", tool.write("p.yaml", marking(name)), "--yes")

    assert ended.code == 0, ended.err
    assert gate.traceparents
    assert set(gate.traceparents) == {""}
    assert "traces" not in ended.err


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "TRACES_PROTOCOL=http/json"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"}, "OTEL_EXPORTER_OTLP_ENDPOINT: is not"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: is not"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a:x"}, "TRACES_ENDPOINT: is not a valid"),
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "hunter2"}, "(OTEL_SPAN_EVENT_COUNT_LIMIT)"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "99999"}, "max_export_batch_size"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "max_queue_size"),
    ],
)
def test_what_is_not_supported_is_refused(
    tool: Tool, server: SandboxServer, variables: dict[str, str], says: str
) -> None:
    sent = server.sent()
    wrong = replace(tool, variables={**tool.variables, **variables})

    ended = wrong.run("apply", tool.write("p.yaml", marking("wrong")), "--yes")

    assert ended.code == 2
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert "hunter2" not in ended.err
    assert server.sent() == sent


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.exporter.otlp.proto.http"])
def test_without_the_library_the_command_that_installs_it_is_named(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in [missing, *sys.modules]:
        if f"{name}.".startswith(f"{missing}."):
            monkeypatch.setitem(sys.modules, name, None)

    ended = tool.run("plan", tool.write("p.yaml", marking("library")))

    assert ended.code == 2
    assert "pip install 'fleetpatch[otel]'" in ended.err


def test_a_receiver_that_is_down_is_reported_once_without_secrets(tool: Tool) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:hunter2@127.0.0.1:1/token-in-path",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter3",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    down = replace(tool, variables=variables)

    ended = down.run("apply", tool.write("p.yaml", marking("down")), "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.err.count("traces: cannot be sent to 127.0.0.1:1; the run is not affected") == 1
    run_file = Path(ended.json["runFile"])
    written = run_file.read_bytes() + json.dumps(tool.log(run_file)).encode()
    for secret in ("hunter2", "hunter3", "token-in-path"):
        assert secret not in ended.err + ended.out
        assert secret.encode() not in written
