"""Prints a run's summary to stdout, and warnings to stderr.

Warnings do not affect the exit code.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import typer

from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.view import preview, with_window
from fleetpatch.cli.options import Output, PreviewFormat
from fleetpatch.files import is_stdout
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.run import Summary, as_json
from fleetpatch.report.preview import as_json as preview_as_json
from fleetpatch.report.preview import preview_lines
from fleetpatch.report.preview_markdown import markdown_lines
from fleetpatch.report.summary import summary_lines
from fleetpatch.report.terminal import width_of, write


def print_summary(summary: Summary, settings: Settings, output: Output) -> None:
    """Print the summary of a run: the output of `status RUN`, and the last output of `apply`."""
    if output is Output.JSON:
        typer.echo(json.dumps(as_json(with_window(summary, time.time()))))
    else:
        log = settings.log_of(Path(summary.run_file))
        log_file = "stdout" if is_stdout(log) else str(log)
        write(summary_lines(summary, log_file=log_file), sys.stdout)


def print_preview(
    planned: Summary, output: Output | PreviewFormat, *, all_namespaces: bool = False
) -> None:
    """Print what a planned run would change: the output of `plan`."""
    view = preview(Path(planned.run_file))
    match output.value:
        case PreviewFormat.JSON:
            typer.echo(json.dumps(preview_as_json(view)))
        case PreviewFormat.MARKDOWN:
            write(markdown_lines(view, all_namespaces=all_namespaces), sys.stdout)
        case _:
            lines = preview_lines(view, all_namespaces=all_namespaces, width=width_of(sys.stdout))
            write(lines, sys.stdout)


def print_warnings(plan: PlanFile) -> None:
    """Print the warnings of a plan file, each as a line that begins with its place."""
    for warning in plan.warnings(datetime.now(UTC)):
        sys.stderr.write(f"{warning}\n")


class WarnOnce:
    """Writes warnings to stderr, each of them once.

    The clusters of a plan are opened for planning and again for applying, and would warn twice.
    """

    def __init__(self) -> None:
        self._written: set[str] = set()

    def __call__(self, warning: str) -> None:
        """Write the line `warning`."""
        if warning not in self._written:
            self._written.add(warning)
            sys.stderr.write(f"warning: {warning}\n")
