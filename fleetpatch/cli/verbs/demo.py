"""`fleetpatch demo`: plan, apply and undo by the real commands on a sandbox with faults."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fleetpatch.cli.ending import Ended
from fleetpatch.cli.options import StateDirOption
from fleetpatch.cli.parameters import Option
from fleetpatch.cli.streams import write_line
from fleetpatch.errors import SurroundingsError

_PLAN = "demo-relabel.yaml"
_FOLDERS = (Path(__file__).parents[2] / "plans", Path(__file__).parents[3] / "plans")
"""The folder of plans in an installed package, and that in a checkout."""


def command(
    jobs: Annotated[int, Option(at_least=1, help="Jobs of the sandbox's fleet.")] = 2000,
    seed: Annotated[
        int, Option(help="The same seed makes the same fleet and the same faults.")
    ] = 7,
    state_dir: StateDirOption = None,
) -> None:
    """See a whole campaign run on the sandbox.

    Nothing outside this machine is changed: the API server is a local process on loopback.
    """
    from fleetpatch.campaign.settings import Settings

    plan = _find_plan()
    state = Settings(state_dir=state_dir).runs.parent / "demo"
    _say(f"A local API server with {jobs} jobs of five kinds and some injected faults:")
    with _sandbox(jobs, seed) as kubeconfig:
        # A state folder of its own, so that the demo never touches real runs.
        environment = {
            **os.environ,
            "KUBECONFIG": kubeconfig,
            "FLEETPATCH_STATE_DIR": str(state),
        }
        run_file = state / "runs" / "demo.run"
        # A run file is never overwritten, and the demo may be run again.
        _remove_earlier_run(run_file)
        _say("1. Plan: what would change? Nothing is sent yet.")
        _fleetpatch(environment, "plan", str(plan), "--run-file", str(run_file))
        _say("2. Apply: carry it out, through throttling, errors and lost answers.")
        _fleetpatch(environment, "apply", str(run_file), "--yes")
        _say("3. Apply again: every target is done, so nothing is sent.")
        _fleetpatch(environment, "apply", str(plan), "--yes")
        _say("4. Undo: values that were not changed since go back to what they were.")
        _fleetpatch(environment, "undo", str(run_file), "--yes")
        _say("5. Report: what happened, as a page to look at, or to attach to a ticket.")
        page = _report(environment, run_file)
    _say("Done. What the campaign did is recorded in these files:")
    write_line(f"  run file  {run_file}   (fleetpatch status FILE, fleetpatch targets FILE)")
    write_line(f"  log       {run_file.with_suffix('.jsonl')}   (JSON Lines, an event a line)")
    if page is not None:
        write_line(f"  report    {page}   (open it in a browser)")


def _find_plan() -> Path:
    for folder in _FOLDERS:
        if (plan := folder / _PLAN).is_file():
            return plan
    raise SurroundingsError(f"the demo's plan {_PLAN} is not installed; reinstall fleetpatch")


def _remove_earlier_run(run_file: Path) -> None:
    """Remove the files of an earlier demo."""
    for path in run_file.parent.glob(f"{run_file.stem}*"):
        path.unlink()


@contextmanager
def _sandbox(jobs: int, seed: int) -> Iterator[str]:
    words = ["sandbox", "--jobs", str(jobs), "--seed", str(seed), "--chaos", "mild"]
    _show(words)
    with subprocess.Popen(  # noqa: S603 - ourselves
        _words(words), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            # The sandbox prints this line when it is ready, and nothing else.
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SurroundingsError("the sandbox did not start; its message above says why")
            write_line(line.rstrip())
            yield json.loads(line)["kubeconfig"]
        finally:
            process.terminate()


def _fleetpatch(environment: Mapping[str, str], *words: str) -> None:
    _show(words)
    ended = subprocess.run(_words(words), env=environment, check=False)  # noqa: S603 - ourselves
    # 3 means that some targets failed, which the injected faults can cause.
    if ended.returncode not in (0, 3):
        raise Ended(ended.returncode)


def _report(environment: Mapping[str, str], run_file: Path) -> Path | None:
    """Write the report of the run beside it; None without the extra."""
    from fleetpatch.report.document.page import EXTRA, is_installed

    page = run_file.with_suffix(".html")
    words = ("report", str(run_file), "--html", str(page))
    if not is_installed():
        _show(words)
        write_line(f"It needs the extra `report`, which is not installed: {EXTRA}")
        return None
    _fleetpatch(environment, *words)
    return page


def _words(words: "list[str] | tuple[str, ...]") -> list[str]:
    return [sys.executable, "-m", "fleetpatch", *words]


def _show(words: "list[str] | tuple[str, ...]") -> None:
    line = f"$ fleetpatch {shlex.join(words)}"
    write_line(f"\x1b[1m{line}\x1b[0m" if sys.stdout.isatty() else line)


def _say(text: str) -> None:
    write_line(f"\n{text}")
