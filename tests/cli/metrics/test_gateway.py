"""`--metrics-push`: a Pushgateway that gets the metrics at the end of a command.

Covered: gateways that refuse or are down, URLs that are not valid, secrets, and the variables of
all options. Left out: what is shown (test_file), a real Pushgateway (tests/monitoring).
"""

import http.server
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.campaign.settings import NoMonitor
from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.cli.metrics.samples import figures
from tests.e2e.tool import Tool
from tests.http_servers import serving


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[Any]]]:
    """Serve like a Pushgateway that answers with this status; yields the port and the requests."""
    taken: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, self.headers.get("Authorization"), body.decode()))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield server.server_port, taken


def test_the_variable_of_a_gateway_that_is_not_utf_8_is_refused_without_its_secrets(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPATCH_METRICS_PUSH", "http://user:hunter2\udcff@push.example")

    ended = call("apply", tool.write("plan.yaml", marking("bytes")), "-y")

    assert ended.code == 2
    assert "--metrics-push: is not a valid URL" in ended.err
    assert "hunter2" not in ended.err


def test_the_gateway_gets_the_metrics_of_the_plan_with_its_credentials(
    call: Caller, tool: Tool
) -> None:
    plan = tool.write("plan.yaml", marking("pushed"))
    with answering(200) as (port, taken):
        url = f"http://us%40er:pa%3Ass@127.0.0.1:{port}/prefix/"
        ended = call("apply", plan, "-y", "--metrics-push", url)

    assert ended.code == 0, ended.err
    path, authorization, body = taken[-1]
    assert path == "/prefix/metrics/job/fleetpatch/plan/pushed"
    assert authorization == "Basic dXNAZXI6cGE6c3M="
    assert figures(body)["last_exit_code"] == 0
    assert figures(body)["targets applied"] > 0
    assert figures(taken[0][2])["running apply"] == 1


def test_what_fails_during_a_run_is_logged_once(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NoMonitor, "problems", ("the gateway is down",))

    ended = call("apply", tool.write("plan.yaml", marking("problem")), "-y", "-o", "json")

    assert ended.code == 0, ended.err
    log = tool.log(ended.json["runFile"])
    failed = [line["detail"] for line in log if line["event"] == "metrics.failed"]
    assert failed == ["the gateway is down"]


@pytest.mark.parametrize("status", [400, 302, 401])
def test_a_gateway_that_refuses_is_reported_once_and_the_run_goes_on(
    call: Caller, tool: Tool, status: int
) -> None:
    plan = tool.write("plan.yaml", marking(f"refuses-{status}"))
    with answering(status) as (port, _taken):
        url = f"http://user:hunter2@127.0.0.1:{port}/token-in-path"
        ended = call("apply", plan, "-y", "-o", "json", "--metrics-push", url)

    assert ended.code == 0, ended.err
    assert ended.err.count("metrics: ") == 1
    assert f"it answered {status}" in ended.err
    log = tool.log(ended.json["runFile"])
    written = Path(ended.json["runFile"]).read_bytes() + json.dumps(log).encode()
    for secret in (b"hunter2", b"token-in-path", b"dXNlcjpodW50ZXIy"):
        assert secret not in written
        assert secret.decode() not in ended.err + ended.out


def test_a_gateway_that_is_down_is_reported_once_and_the_run_goes_on(
    call: Caller, tool: Tool
) -> None:
    plan = tool.write("plan.yaml", marking("down"))

    ended = call("apply", plan, "-y", "--metrics-push", "http://user:hunter2@127.0.0.1:1")

    assert ended.code == 0, ended.err
    warning = "warning: metrics: http://127.0.0.1:1: cannot be pushed to (Connection refused)"
    assert ended.err.count(warning) == 1
    assert "hunter2" not in ended.err + ended.out


@pytest.mark.parametrize(
    "url",
    [
        "push.example:9091",
        "ftp://user:hunter2@push.example",
        "http://user:hunter2@",
        "http://user:hunter2@push.example:port",
        "http://user:hunter2@push.example/metrics/job/x",
        "http://user:hunter2@push.example/?a=b",
        "http://user:hunter2@[::1",
        "http://user:hunter2@push..example",
        f"http://user:hunter2@{'a' * 64}.example",
        "http://user:hunter2@push.example/a b",
        "http://user:hunter2@push.example/\x7f",
    ],
)
def test_the_url_of_a_gateway_that_is_not_valid_is_refused_without_its_secrets(
    call: Caller, tool: Tool, url: str
) -> None:
    ended = call(
        "apply", tool.write("plan.yaml", marking("url")), "-y", "-o", "json", "--metrics-push", url
    )

    assert ended.code == 2
    assert "--metrics-push: " in ended.err
    assert "hunter2" not in ended.err + ended.out


def test_each_option_has_a_variable(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(200) as (port, taken), socket.create_server(("127.0.0.1", 0)) as used:
        monkeypatch.setenv("FLEETPATCH_METRICS_FILE", "m.prom")
        monkeypatch.setenv("FLEETPATCH_METRICS_PUSH", f"http://127.0.0.1:{port}")
        plan = tool.write("plan.yaml", marking("variables"))
        assert call("apply", plan, "-y").code == 0
        monkeypatch.setenv("FLEETPATCH_METRICS_LISTEN", f"127.0.0.1:{used.getsockname()[1]}")
        assert "already in use" in call("apply", plan, "-y").err

    assert (tool.folder / "m.prom").exists()
    assert taken
