"""kubectl itself calls fleetpatch as a plugin, completes it, and takes the names that it prints.

The entry points are made as an installation makes them. Skipped without kubectl.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests import needs
from tests.cli.conftest import paint
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool

Shell: TypeAlias = Callable[[str], list[str]]

ENTRY_POINTS = {
    "kubectl-fleetpatch": "fleetpatch.cli.app",
    "kubectl_complete-fleetpatch": "fleetpatch.cli.kubectl_completion",
}


@pytest.fixture
def shell(tool: Tool) -> Shell:
    """Run a command of a shell that has the plugin; it must succeed; return the lines of stdout."""
    kubectl = needs.program("kubectl")
    folder = tool.folder / "bin"
    folder.mkdir()
    for name, module in ENTRY_POINTS.items():
        script = folder / name
        script.write_text(f"#!{sys.executable}\nfrom {module} import main\nmain()\n")
        script.chmod(0o755)
    environment = tool.environment
    environment["PATH"] = f"{folder}:{Path(kubectl).parent}:{environment['PATH']}"

    def run(command: str) -> list[str]:
        ended = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=tool.folder,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    return run


@pytest.fixture
def run(tool: Tool, server: SandboxServer) -> str:
    """A run that was planned on the sandbox."""
    assert server.port
    ended = tool.run("plan", tool.write("plan.yaml", paint()), "-o", "json")
    assert ended.code == 0, ended.err
    return str(ended.json["run"])


def test_kubectl_runs_the_plugin_and_completes_it(shell: Shell, run: str) -> None:
    assert run in "\n".join(shell("kubectl fleetpatch runs"))
    assert shell("kubectl __complete fleetpatch status ''") == ["paint", run, ":4"]
    assert shell("kubectl __complete fleetpatch targets paint --reason ex") == [
        "exists",
        "exhausted",
        ":4",
    ]


def namespace_of_a_target(tool: Tool, run: str) -> str:
    return str(tool.targets(run)[0]["namespace"])


def test_the_names_that_targets_prints_can_be_piped_into_kubectl(
    tool: Tool, shell: Shell, run: str
) -> None:
    space = namespace_of_a_target(tool, run)
    listed = f"kubectl fleetpatch targets {run} -n {space} -o name"

    names = shell(listed)

    assert names
    assert shell(f"{listed} | xargs kubectl get -n {space} -o name") == names


def test_the_names_that_kubectl_prints_are_names_for_label(
    tool: Tool, shell: Shell, run: str
) -> None:
    space = namespace_of_a_target(tool, run)
    names = f"kubectl get jobs.batch -n {space} -o name"

    changed = shell(f"kubectl fleetpatch label $({names}) shade=1 -n {space} -yq -o name")

    assert sorted(changed) == sorted(shell(f"{names} -l shade=1"))
