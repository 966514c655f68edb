"""Prints the status of a run: once, or every second while a process carries it out."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.view import status
from fleetpatch.cli.options import Output
from fleetpatch.cli.streams import reader_has_exited, write_line
from fleetpatch.model.live import Status
from fleetpatch.report.fitting import fit
from fleetpatch.report.status import status_as_json, status_lines
from fleetpatch.report.terminal import columns, write

INTERVAL: Final = 1.0
"""Seconds between two looks at a live run."""


def show(run_file: Path, settings: Settings, output: Output) -> None:
    """Print the status of a run. Raises as `view.status`."""
    _print(status(run_file), settings, output)


def show_until_ended(run_file: Path, settings: Settings, output: Output) -> None:
    """Show the status every second, until no process carries the run out.

    A terminal is redrawn; without one, each status is printed below the one before, with `-o json`
    a line each, until the reader has exited. Raises as `view.status`.
    """
    if output is Output.JSON or not sys.stdout.isatty():
        for number, seen in enumerate(_statuses(run_file)):
            if number and output is Output.TEXT:
                write_line("")
            _print(seen, settings, output)
            sys.stdout.flush()
            if reader_has_exited():
                return
    else:
        _redraw(run_file, settings)


def _statuses(run_file: Path) -> Iterator[Status]:
    """Yield the status every second; the last one is that of a run without a session."""
    while True:
        seen = status(run_file)
        yield seen
        if seen.holder is None:
            return
        time.sleep(INTERVAL)


def _redraw(run_file: Path, settings: Settings) -> None:
    from fleetpatch.report.colours import Screen

    last: Status | None = None
    with Screen(sys.stdout) as screen:
        for last in _statuses(run_file):
            lines = status_lines(last, time.time(), log_file=_log_of(last, settings))
            screen.draw(list(fit(lines, columns())))
    if last is not None:
        _print(last, settings, Output.TEXT)


def _print(seen: Status, settings: Settings, output: Output) -> None:
    if output is Output.JSON:
        write_line(json.dumps(status_as_json(seen) | {"logFile": _log_of(seen, settings)}))
    else:
        write(status_lines(seen, time.time(), log_file=_log_of(seen, settings)), sys.stdout)


def _log_of(seen: Status, settings: Settings) -> str:
    return str(settings.log_of(Path(seen.summary.run_file)))
