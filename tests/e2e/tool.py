"""Runs fleetpatch as users do, in a folder that is its working directory and has its state."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from tests.cli.calling import Caller, Ended, call_main
from tests.e2e.forks import fork

SOON = 30.0
"""Seconds within which a command ends that must end at once, or within four seconds.

Where a tenth of a machine is left for it, its last steps take ten times as long.
"""

HANG = 600.0
"""Seconds that a server hangs, or a command sleeps, for which nothing may wait."""


@dataclass(frozen=True)
class Tool:
    """The command line; `folder` is its working directory and holds its state.

    `kubeconfig` None leaves `KUBECONFIG` unset. The home folder is `folder`, so that no setting of
    the machine has an effect. `variables` are added to the environment.
    """

    folder: Path
    kubeconfig: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
        own = {
            "HOME": str(self.folder),
            "FLEETPATCH_STATE_DIR": str(self.state),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONWARNINGS": "error",
            "COLUMNS": "100",
        }
        if self.kubeconfig is not None:
            own["KUBECONFIG"] = str(self.kubeconfig)
        return kept | own | dict(self.variables)

    def start(self, *words: object, under: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start a command as a process; its streams are pipes, and stdin is at its end.

        `under` is the beginning of a command line that runs another, such as `nohup`.
        """
        return subprocess.Popen(
            [*under, *self.words(*words)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fork(
        self,
        *words: object,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command as a process of its own, without the time that imports take.

        For what depends on the start or the end of the interpreter, use `start`. The streams may be
        the descriptors of other files than those of `start`.
        """
        return fork([*map(str, words)], self.folder, self.environment, stdin, stdout, stderr)

    def run(self, *words: object) -> Ended:
        """Run a command to its end, within this process; for a process of its own see `start`."""
        with chdir(self.folder), patch.dict(os.environ, self.environment, clear=True):
            return call_main(*words)

    def caller(self, monkeypatch: pytest.MonkeyPatch) -> Caller:
        """Enter the folder and set the variables until the test ends; return `call_main`."""
        monkeypatch.chdir(self.folder)
        for name in ("KUBECONFIG", "HOME", "FLEETPATCH_STATE_DIR", "COLUMNS"):
            monkeypatch.setenv(name, self.environment[name])
        return call_main

    def words(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "fleetpatch", *map(str, words)]

    def write(self, name: str, document: Any) -> Path:
        """Write a file, such as a plan: JSON is YAML. Text is written as it is."""
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    def targets(self, run: object, *words: object) -> list[Any]:
        """Return the objects that `fleetpatch targets RUN -o jsonl` prints."""
        ended = self.run("targets", run, "-o", "jsonl", *words)
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]

    def log(self, run_file: object) -> list[Any]:
        """Return the events of a run's log so far."""
        lines = whole_lines(Path(str(run_file)).with_suffix(".jsonl"))
        return [msgspec.json.decode(line) for line in lines]


def whole_lines(file: Path) -> list[bytes]:
    """Return the lines of a file that are whole: a process may be writing the last one."""
    return file.read_bytes().rpartition(b"\n")[0].splitlines()


def without_bytecode(tool: Tool) -> Tool:
    """The tool, for limits on files: Python would keep the written part of a module it compiles."""
    return replace(tool, variables={**tool.variables, "PYTHONDONTWRITEBYTECODE": "1"})


def end(process: subprocess.Popen[str], timeout: float = 200) -> Ended:
    """Wait for the end of a process that was started with pipes; kill it if it does not end."""
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return Ended(process.returncode, out, err)


def plan(name: str, *blocks: dict[str, Any], patch: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the document of a plan file; each block is one of its `targets`."""
    return {
        "apiVersion": "fleetpatch/v1",
        "kind": "Plan",
        "metadata": {"name": name},
        "targets": list(blocks),
        "patch": patch,
        **more,
    }


def eventually(holds: Callable[[], bool], what: str, seconds: float = 200) -> None:
    """Wait until `holds()` is true; fail with `what` after `seconds`.

    They are no promise of the tool, but end a test in which something never happens.
    """
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"did not happen within {seconds} s: {what}"
        time.sleep(0.02)
