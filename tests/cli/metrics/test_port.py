"""`--metrics-listen`: a port on which Prometheus reads the metrics of a command that runs.

Covered: addresses, hosts and ports that are refused before anything is sent. Left out: what is
shown (test_file), Prometheus itself (tests/monitoring).
"""

import socket
from typing import Any
from urllib.request import urlopen

import pytest

from fleetpatch.cli import metrics
from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.cli.metrics.samples import figures
from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool


def test_the_port_is_listened_on_while_the_command_runs(call: Caller, tool: Tool) -> None:
    (port,) = free_ports(1)
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
