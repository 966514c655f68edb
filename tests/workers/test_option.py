"""The option `--workers`: its values, its environment variable, and what is imported for it."""

import sys
from pathlib import Path
from subprocess import run

import pytest

from fleetpatch.cli import workers
from fleetpatch.cli.workers import pool_of, read_workers
from fleetpatch.errors import UsageError
from tests.e2e.tool import Tool

PLAN = Path(__file__).parents[2] / "plans" / "demo-relabel.yaml"


@pytest.mark.parametrize("text", ["1", "256", "tcp://scheduler:8786", "tls://[::1]:8786"])
def test_a_number_of_processes_and_the_address_of_a_scheduler_are_values(text: str) -> None:
    assert str(read_workers(text)) == text


@pytest.mark.parametrize("text", ["0", "257", "-1", "two", "http://scheduler", "tcp://", "²"])
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
