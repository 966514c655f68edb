"""`--metrics-file`, `--metrics-listen` and `--metrics-push`: what a command shows of itself.

Covered: the figures of the run file, how each end of a command is shown, places that are refused
before anything is sent, places that fail later, secrets. Left out: Prometheus itself
(tests/monitoring), the computation of samples (tests/metrics).
"""

import http.server
import json
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import util
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from fleetpatch.cli import metrics
from fleetpatch.metrics import prometheus
from tests.cli.calling import Caller, Ended
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool


def figures(text: str) -> dict[str, float]:
    """Return samples by their series, such as `last_exit_code` and `targets applied`."""
    shown = {}
    for one in prometheus.parse(text):
        labels = [value for key, value in one.labels.items() if key not in ("plan", "cluster")]
        shown[" ".join([one.name.removeprefix("fleetpatch_"), *labels])] = one.value
    return shown


def plans(text: str) -> set[str]:
    return {one.labels["plan"] for one in prometheus.parse(text)}


@pytest.fixture
def apply(call: Caller, tool: Tool) -> Callable[..., Ended]:
    """Apply a plan of this name with metrics in `m.prom`."""

    def apply(name: str, *words: object, **more: Any) -> Ended:
        plan = tool.write(f"{name}.yaml", marking(name, **more))
        return call("apply", plan, "-y", "-o", "json", "--metrics-file", "m.prom", *words)

    return apply


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
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1], taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_file_has_the_figures_of_the_run_file(apply: Callable[..., Ended], tool: Tool) -> None:
    ended = apply("figures")

    assert ended.code == 0, ended.err
    file = tool.folder / "m.prom"
    shown = figures(file.read_text())
    assert plans(file.read_text()) == {"figures"}
    assert shown["targets applied"] == ended.json["outcomes"]["applied"] > 0
    assert shown["targets pending"] == shown["targets failed"] == 0
    assert shown["requests_total 200 patch"] == ended.json["requests"]["patch"]
    assert shown["patch_duration_seconds_count"] == ended.json["requests"]["patch"]
    assert shown["ended_targets applied patched"] == ended.json["outcomes"]["applied"]
    assert shown["last_exit_code"] == shown["requests_in_flight"] == shown["running apply"] == 0
    assert shown["last_cause "] == 1
    assert shown["last_start_timestamp_seconds"] < shown["last_success_timestamp_seconds"]


def test_everybody_can_read_the_file_and_nothing_is_left_beside_it(
    apply: Callable[..., Ended], tool: Tool
) -> None:
    apply("readable")

    assert stat.S_IMODE((tool.folder / "m.prom").stat().st_mode) == 0o644
    names = {path.name for path in tool.folder.iterdir()}
    assert names == {"m.prom", "readable.yaml", "state"}


def test_a_folder_has_a_file_for_each_plan(call: Caller, tool: Tool) -> None:
    folder = tool.folder / "textfiles"
    folder.mkdir()
    for name in ("one-plan", "another-plan"):
        plan = tool.write(f"{name}.yaml", marking(name))
        assert call("apply", plan, "-y", "--metrics-file", folder).code == 0

    assert sorted(path.name for path in folder.iterdir()) == [
        "fleetpatch_another-plan.prom",
        "fleetpatch_one-plan.prom",
    ]


def test_the_last_success_survives_a_command_that_is_refused(
    apply: Callable[..., Ended], call: Caller, tool: Tool
) -> None:
    apply("kept")
    before = figures((tool.folder / "m.prom").read_text())
    broken = tool.write("kept.yaml", "kind: Plan\n")

    ended = call("apply", broken, "-y", "--metrics-file", "m.prom")

    assert ended.code == 2
    text = (tool.folder / "m.prom").read_text()
    after = figures(text)
    assert plans(text) == {"kept"}
    assert (after["last_exit_code"], after["last_cause usage"]) == (2, 1)
    success = "last_success_timestamp_seconds"
    assert after[success] == before[success]


def test_a_command_that_never_gets_to_its_plan_is_named_after_the_file(
    call: Caller, tool: Tool
) -> None:
    ended = call("apply", "missing/nightly.yaml", "-y", "--metrics-file", "m.prom")

    text = (tool.folder / "m.prom").read_text()
    assert ended.code == 2
    assert plans(text) == {"nightly"}
    assert figures(text)["last_exit_code"] == 2
    assert "last_success_timestamp_seconds" not in figures(text)


def test_a_closed_window_is_shown_with_its_next_opening(
    apply: Callable[..., Ended], tool: Tool
) -> None:
    ago = datetime.now(UTC) - timedelta(hours=1)
    window = {"opens": f"{ago.minute} {ago.hour} * * *", "lasts": "1m"}
    ended = apply("waits", window=window)

    shown = figures((tool.folder / "m.prom").read_text())
    assert ended.code == 5
    assert (shown["last_exit_code"], shown["last_cause window-closed"]) == (5, 1)
    assert shown["window_open"] == shown["window_closes_timestamp_seconds"] == 0
    assert shown["window_opens_timestamp_seconds"] > shown["last_end_timestamp_seconds"]


def test_failed_targets_are_no_success(call: Caller, tool: Tool) -> None:
    document = marking("refused") | {"patch": {"merge": {"spec": {"completions": 77}}}}
    plan = tool.write("refused.yaml", document)
    ended = call("apply", plan, "-y", "-o", "json", "--metrics-file", "m.prom")

    shown = figures((tool.folder / "m.prom").read_text())
    assert ended.code == 3, ended.err
    assert (shown["last_exit_code"], shown["last_cause targets-failed"]) == (3, 1)
    assert shown["targets failed"] == ended.json["outcomes"]["failed"] > 0
    assert shown["requests_total 422 patch"] > 0
    assert "last_success_timestamp_seconds" not in shown


def test_a_dry_run_is_no_success(apply: Callable[..., Ended], tool: Tool) -> None:
    ended = apply("rehearsed", "--dry-run=server")

    shown = figures((tool.folder / "m.prom").read_text())
    assert (ended.code, shown["last_exit_code"]) == (0, 0)
    assert "last_success_timestamp_seconds" not in shown


def test_an_undo_and_a_resume_write_the_file_of_the_plan(
    apply: Callable[..., Ended], call: Caller, tool: Tool
) -> None:
    apply("back")
    file = tool.folder / "m.prom"
    success = figures(file.read_text())["last_success_timestamp_seconds"]

    assert call("resume", "back", "--metrics-file", "m.prom").code == 0
    resumed = figures(file.read_text())
    assert call("undo", "back", "-y", "--metrics-file", "m.prom").code == 0
    undone = figures(file.read_text())

    assert resumed["running resume"] == undone["running undo"] == 0
    assert resumed["last_success_timestamp_seconds"] > success
    # An undo is not a success of the plan.
    key = "last_success_timestamp_seconds"
    assert undone[key] == resumed[key]
    assert undone["targets applied"] == resumed["targets applied"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        pytest.param("m.txt", "end in .prom", id="another suffix"),
        pytest.param("nowhere/m.prom", "No such file", id="no folder"),
        pytest.param("link.prom", "symbolic link", id="a link"),
        pytest.param("theirs.prom", "another program", id="other metrics"),
        pytest.param("text.prom", "text format", id="another format"),
        pytest.param("other.prom", "the plan other-plan", id="another plan"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(
    call: Caller, tool: Tool, server: SandboxServer, place: str, says: str
) -> None:
    (tool.folder / "link.prom").symlink_to(tool.folder / "plan.yaml")
    contents = {
        "theirs.prom": 'node_time_seconds{plan="refused-place"} 1\n',
        "text.prom": "{ not metrics\n",
        "other.prom": 'fleetpatch_running{plan="other-plan"} 0\n',
    }
    for name, text in contents.items():
        tool.write(name, text)
    sent = server.sent()

    ended = call(
        "apply",
        tool.write("plan.yaml", marking("refused-place")),
        *("-y", "--metrics-file", place),
    )

    assert ended.code == 2
    assert says in ended.err
    assert "nothing was sent" in ended.err or "end in .prom" in ended.err
    assert server.sent() == sent
    assert {name: (tool.folder / name).read_text() for name in contents} == contents


def test_the_port_is_listened_on_while_the_command_runs(call: Caller, tool: Tool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen: list[str] = []
    check = {"command": ["sh", "-c", "true"]}
    plan = marking("listening", waves={"sizes": [1, "100%"], "check": check})
    original = metrics.current_monitor

    def scraped() -> Any:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            seen.append(answer.read().decode())
        return original()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "current_monitor", scraped)
        ended = call(
            "apply", tool.write("p.yaml", plan), "-y", "--metrics-listen", f"127.0.0.1:{port}"
        )

    assert ended.code == 0, ended.err
    assert figures(seen[0])["running apply"] == 1
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://127.0.0.1:{port}/metrics")


@pytest.mark.parametrize("address", ["9464", "host:0", "host:99999", "a b:1", "[::1]", ""])
def test_an_address_that_is_not_valid_is_refused(call: Caller, tool: Tool, address: str) -> None:
    plan = tool.write("plan.yaml", marking("address"))

    ended = call("apply", plan, "-y", f"--metrics-listen={address}")

    assert ended.code == 2
    assert "--metrics-listen" in ended.err


def test_a_host_without_a_valid_name_is_refused(call: Caller, tool: Tool) -> None:
    plan = tool.write("plan.yaml", marking("address"))

    ended = call("apply", plan, "-y", f"--metrics-listen={'a' * 64}.example:9464")

    assert ended.code == 2
    assert "not a valid name of a host" in ended.err


def test_the_variable_of_a_gateway_that_is_not_utf_8_is_refused_without_its_secrets(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPATCH_METRICS_PUSH", "http://user:hunter2\udcff@push.example")

    ended = call("apply", tool.write("plan.yaml", marking("bytes")), "-y")

    assert ended.code == 2
    assert "--metrics-push: is not a valid URL" in ended.err
    assert "hunter2" not in ended.err


def test_a_port_that_is_in_use_is_refused_before_anything_is_sent(
    call: Caller, tool: Tool, server: SandboxServer
) -> None:
    sent = server.sent()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        plan = tool.write("plan.yaml", marking("in-use"))
        ended = call("apply", plan, "-y", "--metrics-listen", address)

    assert ended.code == 2
    assert "Address already in use" in ended.err
    assert "nothing was sent" in ended.err
    assert server.sent() == sent


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
    [failed] = [line for line in log if line["event"] == "metrics.failed"]
    assert f"it answered {status}" in failed["detail"]
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


def test_without_the_client_library_the_command_that_installs_it_is_named(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> Any:
        return None if name == "prometheus_client" else util.find_spec(name)

    monkeypatch.setattr(metrics, "find_spec", find_spec)

    ended = call("apply", tool.write("plan.yaml", marking("lib")), "-y", "--metrics-file", "m.prom")

    assert ended.code == 2
    assert "pip install 'fleetpatch[metrics]'" in ended.err
