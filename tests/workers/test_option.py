"""The option `--workers`: its values, its environment variable, and what is imported for it."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import run
from threading import Thread

import dask
import pytest

from fleetpatch.cli import workers
from fleetpatch.cli.workers import pool_of, read_workers
from fleetpatch.errors import UsageError
from tests.control_plane.processes import free_ports
from tests.e2e.tool import Tool

ADDRESSES = ("FLEETPATCH_LISTEN_ADDRESS", "FLEETPATCH_CONTACT_ADDRESS")
PLAN = Path(__file__).parents[2] / "plans" / "demo-relabel.yaml"


@pytest.mark.parametrize("text", ["1", "256", "tcp://scheduler:8786", "tls://[::1]:8786"])
def test_a_number_of_processes_and_the_address_of_a_scheduler_are_values(text: str) -> None:
    assert str(read_workers(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("0", "257", "-1", "two", "²", "http://scheduler:8786", "tcp://", "tcp://scheduler"),
        *(
            "tls://:8786",
            "tcp://scheduler:",
            "tcp://scheduler:port",
            "tcp://a:1/x",
            "tcp://::1:8786",
        ),
    ],
)
def test_other_values_are_refused_with_both_forms(tool: Tool, text: str) -> None:
    ended = tool.run("plan", PLAN, f"--workers={text}")

    assert ended.code == 2
    assert "use --workers 4, or --workers tls://HOST:8786" in ended.err


def test_the_environment_variable_is_checked_as_the_option_is(tool: Tool, tmp_path: Path) -> None:
    own = Tool(tmp_path, tool.kubeconfig, {"FLEETPATCH_WORKERS": "none"})

    assert "use --workers 4" in own.run("plan", PLAN).err


def test_without_dask_the_message_has_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "find_spec", lambda _name: None)

    with pytest.raises(UsageError, match=r"pip install 'fleetpatch\[dask\]'"):
        pool_of("2", 15.0)


def test_dask_is_imported_for_the_option_alone() -> None:
    program = (
        "import sys; from fleetpatch.cli.workers import pool_of;"
        " from fleetpatch.cli.verbs import apply, plan, resume, undo;"
        " import fleetpatch.campaign.running.session; pool_of(None, 15.0);"
        " sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    )

    assert run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("scheduler", "settings", "message"),
    [
        ("tls://{free}", {}, "Dask's TLS settings cannot be used (there are none)"),
        (
            "tls://{free}",
            {"distributed.comm.tls.ca-file": "/missing/ca.pem"}
            | {"distributed.comm.tls.client.cert": "/missing/tls.pem"},
            "Dask's TLS settings cannot be used ([Errno 2]",
        ),
        (
            "tcp://{free}",
            {"distributed.comm.require-encryption": True},
            "the Dask scheduler cannot be reached (encryption required",
        ),
        ("tcp://{http}", {}, "the Dask scheduler cannot be reached ("),
        ("tcp://missing.invalid:8786", {}, "the Dask scheduler cannot be reached ("),
        (
            "tcp://{free}",
            {"FLEETPATCH_LISTEN_ADDRESS": "tcp://{http}"},
            "cannot listen for workers at tcp://{http} (",
        ),
        *(
            ("tcp://{free}", {name: value}, f"'{value}' is not a valid address of this coordinator")
            for name in ADDRESSES
            for value in ("127.0.0.1:1", "ws://127.0.0.1:1", "tls://127.0.0.1:1", "tcp://h:70000")
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path,
    scheduler: str,
    settings: dict[str, str | bool],
    message: str,
) -> None:
    """Settings are those of Dask, and environment variables of fleetpatch."""
    (free,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as http:
        taken = http.getsockname()[1]
        Thread(target=_greet_as_http, args=(http,), daemon=True).start()

        def filled(text: str) -> str:
            return text.format(free=f"127.0.0.1:{free}", http=f"127.0.0.1:{taken}")

        own = {name: filled(str(settings.get(name, ""))) for name in ADDRESSES}
        tool = Tool(tmp_path, tmp_path / "kubeconfig", own)
        of_dask = {name: value for name, value in settings.items() if name not in ADDRESSES}
        with dask.config.set(of_dask):
            ended = tool.run("plan", PLAN, "--workers", filled(scheduler))

    assert ended.code in (1, 2)
    assert filled(message) in ended.err
    assert len(ended.err.splitlines()) == 1


def _greet_as_http(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" * 9)
            connection.close()
