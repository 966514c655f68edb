"""Bad kubeconfigs, servers and disks: one clear line, exit code 1.

Covered: kubeconfigs that are missing, broken or empty, contexts that are not there, a refused
connection, an unknown host, a wrong token, TLS to a server without it, a web server that is no
Kubernetes; state folders that cannot be made or written, a damaged run file; tokens in messages.
Left out: servers that fail while a run is under way (tests/e2e).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import as_anybody, paint
from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool
from tests.http_servers import serving

TOKEN = "s3cr3t-token-that-nobody-must-see"
VERBS = ("plan", "apply")


@pytest.fixture(autouse=True)
def good_plan(tool: Tool) -> None:
    tool.write("plan.yaml", paint())


@pytest.fixture
def kubeconfig(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path in $KUBECONFIG, without a file."""
    path = tool.folder / "other.kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def pointing_to(server: str) -> str:
    return json.dumps(
        {
            "current-context": "prod",
            "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}],
            "clusters": [{"name": "prod", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
        }
    )


def reports_in_one_line(ended: Ended, message: str) -> None:
    assert (ended.code, ended.out) == (1, ""), ended.err
    assert re.match(r"fleetpatch: [^\n]*\n\Z", ended.notes), ended.err
    assert re.search(message, ended.err), ended.err
    assert TOKEN not in ended.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"\$KUBECONFIG: no such file: .*; correct it or unset it"),
        ("users: [\n", r"other\.kubeconfig:\d+:\d+: is not YAML; correct it"),
        (f'users: [{{token: "{TOKEN}}}]', r"other\.kubeconfig:\d+:\d+: is not YAML; correct it"),
        ("", r"other\.kubeconfig: no contexts; add one, or name another file in \$KUBECONFIG"),
        ("{}", r"other\.kubeconfig: no contexts; add one, or"),
        ("contexts: [{name: a}]", r"no current-context; choose one of these: a"),
        ("- a list\n", r"is not a kubeconfig: its top level must be a mapping"),
        ("current-context: nowhere\n", r"no context 'nowhere'; there are: none"),
    ],
)
def test_a_kubeconfig_that_is_none_is_named(
    call: Caller, kubeconfig: Path, content: str | None, message: str
) -> None:
    if content is not None:
        kubeconfig.write_text(content)

    for verb in VERBS:
        reports_in_one_line(call(verb, "plan.yaml"), message)


def test_without_any_kubeconfig_the_error_names_the_ways_to_give_one(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG")

    reports_in_one_line(call("plan", "plan.yaml"), r"set KUBECONFIG or write ~/\.kube/config")


def test_a_context_that_is_not_there_is_answered_with_those_that_are(
    call: Caller, tool: Tool
) -> None:
    tool.write("plan.yaml", paint(fleet=[{"name": "a", "context": "nowhere"}]))

    reports_in_one_line(call("plan", "plan.yaml"), r"no context 'nowhere'; there are: sandbox")
    words = ("label", "jobs.batch", "a=1", "-A", "-l", "app=etl", "--context", "nowhere")
    reports_in_one_line(call(*words), r"no context 'nowhere'; there are: sandbox")


def test_a_server_that_refuses_connections_is_named_with_its_address(
    call: Caller, kubeconfig: Path
) -> None:
    (port,) = free_ports(1)
    kubeconfig.write_text(pointing_to(f"http://127.0.0.1:{port}"))

    for verb in VERBS:
        where = rf"cluster prod \(http://127\.0\.0\.1:{port}\): "
        message = rf"{where}.*cannot connect: Connection refused\); check the server"
        reports_in_one_line(call(verb, "plan.yaml"), message)


def test_a_host_that_cannot_be_resolved_is_named(call: Caller, kubeconfig: Path) -> None:
    kubeconfig.write_text(pointing_to("https://nowhere.invalid"))

    reports_in_one_line(call("plan", "plan.yaml"), r"nowhere\.invalid.*cannot connect: [^\[]*;")


def test_a_refused_token_is_reported_and_not_shown(
    call: Caller, kubeconfig: Path, server: SandboxServer
) -> None:
    kubeconfig.write_text(pointing_to(server.server))

    reports_in_one_line(call("plan", "plan.yaml"), r"does not accept our credentials \(401")


def test_tls_to_a_server_without_tls_is_reported(
    call: Caller, kubeconfig: Path, server: SandboxServer
) -> None:
    kubeconfig.write_text(pointing_to(server.server.replace("http:", "https:")))

    reports_in_one_line(call("plan", "plan.yaml"), r"cannot connect: .*SSL")


class _WebSite(BaseHTTPRequestHandler):
    """Answers every request, and quotes it."""

    def do_GET(self) -> None:
        body = f"<html><title>Welcome {self.headers['Authorization']}</title></html>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web_site() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _WebSite)) as url:
        yield url


def test_a_web_site_is_not_a_kubernetes_api(call: Caller, kubeconfig: Path, web_site: str) -> None:
    kubeconfig.write_text(pointing_to(web_site))

    reports_in_one_line(call("plan", "plan.yaml"), r"not a Kubernetes API; check the address")


@pytest.mark.parametrize("state", ["/dev/null/state", "plan.yaml", "/proc/nowhere"])
def test_a_state_folder_that_cannot_be_made_is_named(call: Caller, state: str) -> None:
    ended = call("plan", "plan.yaml", "--state-dir", state)

    reports_in_one_line(
        ended, re.escape(state) + r".*; check the path and the rights on its folder"
    )


@pytest.mark.parametrize("verb", ["plan", "apply", "runs"])
@pytest.mark.parametrize("state", ["plan.yaml", "plan.yaml/state"])
def test_a_file_is_no_state_folder(call: Caller, verb: str, state: str) -> None:
    words = () if verb == "runs" else ("plan.yaml",)

    ended = call(verb, *words, "--state-dir", state)

    reports_in_one_line(ended, r"plan\.yaml\S*: Not a directory; check the path and the rights")


def test_a_state_folder_that_may_not_be_written_is_named(
    call: Caller, tool: Tool, kubeconfig: Path, server: SandboxServer
) -> None:
    kubeconfig.write_bytes(server.kubeconfig.read_bytes())
    tool.state.mkdir(mode=0o500)

    with as_anybody(tool.folder):
        ended = call("plan", "plan.yaml")

    reports_in_one_line(ended, r"check the path and the rights on its folder")


def test_a_log_that_cannot_be_written_stops_the_run_before_the_first_patch(
    call: Caller, server: SandboxServer
) -> None:
    call("plan", "plan.yaml")

    before = server.sent()

    ended = call("apply", "paint", "--yes", "--log-file", "/dev/full")

    # Below the line that says that the run begins.
    last = replace(ended, err=ended.err.splitlines(keepends=True)[-1])
    where = r"/dev/full: the log cannot be written .*--log-file"
    reports_in_one_line(
        last, where + r"; run paint-\S+: 0 of \d+ targets have ended; continue with"
    )
    assert server.sent() == before


def test_a_run_whose_planning_cannot_be_logged_is_named(
    call: Caller, tool: Tool, server: SandboxServer
) -> None:
    before = server.sent()

    for verb in (("plan", "plan.yaml"), ("apply", "plan.yaml", "--yes")):
        known = {path.stem for path in tool.state.rglob("*.run")}
        ended = call(*verb, "--log-file", "/dev/full")

        (run,) = {path.stem for path in tool.state.rglob("*.run")} - known
        kept = rf"; nothing was sent; the run is kept: `fleetpatch apply {run}` carries it out\n"
        reports_in_one_line(ended, r"/dev/full: the log cannot be written .*--log-file" + kept)
        assert "resume" not in ended.err
    assert server.sent() == before


def test_a_damaged_run_file_is_refused_and_the_others_are_still_listed(
    call: Caller, tool: Tool
) -> None:
    call("plan", "plan.yaml")
    (sound,) = tool.state.rglob("*.run")
    torn = sound.with_name("torn.run")
    torn.write_bytes(sound.read_bytes()[:5000])

    for words in (("status", "torn"), ("targets", "torn"), ("apply", "torn", "--yes")):
        reports_in_one_line(call(*words), r"torn\.run: .*; ")
    listed = call("status")
    assert listed.code == 0
    assert sound.stem in listed.out
    assert "torn.run" in listed.err
