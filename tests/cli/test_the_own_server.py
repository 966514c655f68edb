"""`fleetpatch sandbox` and `fleetpatch demo`, as processes.

Covered: the line with its address, discovery, its end on signals, a port in use, seeds;
the demo from beginning to end.
Left out: what the sandbox answers (tests/sandbox, tests/differential).
"""

import re
import signal
from pathlib import Path

import pytest

from tests.e2e.sandboxes import SandboxProcess, sandbox_process
from tests.e2e.tool import SOON, Tool, end


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def test_it_prints_its_address_in_one_line_and_serves_discovery(tool: Tool) -> None:
    with sandbox_process(tool, "--jobs", 10) as server:
        assert set(server.ready) == {"server", "kubeconfig", "pid"}
        assert server.ready["pid"] == server.process.pid
        assert server.kubeconfig.stat().st_mode & 0o077 == 0
        groups = server.client.request("GET", "/apis").body["groups"]
        assert {group["name"] for group in groups} == {
            "apps",
            "jobset.x-k8s.io",
            "batch",
            "batch.volcano.sh",
            "coordination.k8s.io",
            "kubeflow.org",
        }
        assert server.client.request("GET", "/version").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tool: Tool, number: signal.Signals) -> None:
    server = SandboxProcess(tool.start("sandbox", "--jobs", 1))

    server.process.send_signal(number)
    ended = end(server.process, timeout=SOON)

    server.client.close()
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert not server.kubeconfig.exists(), "a kubeconfig of its own goes with it"


def test_a_port_in_use_is_reported_in_one_line(tool: Tool) -> None:
    with sandbox_process(tool, "--jobs", 1) as server:
        ended = tool.run("sandbox", "--port", server.port)

    assert ended.code == 1
    assert ended.err == (
        f"fleetpatch: port {server.port}: cannot listen: Address already in use;"
        " choose another port with --port, or 0 for any free one\n"
    )


def test_the_demo_shows_all_steps(tool: Tool) -> None:
    ended = end(tool.start("demo", "--jobs", 200))

    assert ended.code == 0, ended.err
    for text in ("1. Plan", "2. Apply", "3. Apply again", "Run file:", "Log:", "is finished"):
        assert text in ended.out
    assert ended.out.index("1. Plan") < ended.out.index("Digest") < ended.out.index("2. Apply")
    assert "0 PATCH" in ended.out.partition("3. Apply again")[2]
    assert "Traceback" not in ended.err
    (report,) = re.findall(r"report +(\S+\.html)   \(open it in a browser\)", ended.out)
    assert Path(report).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert end(tool.start("demo", "--jobs", 50)).code == 0, "and again, if one likes"
