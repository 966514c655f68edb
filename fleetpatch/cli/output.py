"""Prints a run's summary to stdout, and warnings to stderr.

Warnings do not affect the exit code.
"""

import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.target_list import TargetFilter, list_targets
from fleetpatch.campaign.view import preview, with_window
from fleetpatch.cli.options import Output, PreviewFormat, ResultFormat
from fleetpatch.cli.streams import write_line
from fleetpatch.files import is_stdout
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.run import Standing, Summary, as_json
from fleetpatch.report.formats import yaml_lines
from fleetpatch.report.preview import as_json as preview_as_json
from fleetpatch.report.preview import preview_lines
from fleetpatch.report.preview_markdown import markdown_lines
from fleetpatch.report.summary import summary_lines
from fleetpatch.report.targets import target_csv_lines, target_name_lines
from fleetpatch.report.terminal import write, write_data
from fleetpatch.report.wording import several


def print_summary(summary: Summary, settings: Settings, output: Output | ResultFormat) -> None:
    """Print the summary of a run: the output of `status RUN`, and the last output of `apply`."""
    match output.value:
        case ResultFormat.JSON:
            write_line(json.dumps(_as_json(summary, settings)))
        case ResultFormat.YAML:
            write_data(yaml_lines(_as_json(summary, settings)), sys.stdout)
        case ResultFormat.CSV | ResultFormat.NAME:
            _print_targets(summary, output)
        case _:
            log = settings.log_of(Path(summary.run_file))
            log_file = "stdout" if is_stdout(log) else str(log)
            write(summary_lines(summary, log_file=log_file), sys.stdout)


_HAVE_IT: Final = frozenset({Standing.APPLIED, Standing.UNCHANGED})


def _print_targets(summary: Summary, output: Output | ResultFormat) -> None:
    """Print all targets as CSV, or the names of those that have the wanted values."""
    run = [Path(summary.run_file)]
    if output.value == ResultFormat.CSV:
        write_data(target_csv_lines(list_targets(run, TargetFilter())), sys.stdout)
    else:
        chosen = TargetFilter(standings=_HAVE_IT)
        write_data(target_name_lines(list_targets(run, chosen)), sys.stdout)


def _as_json(summary: Summary, settings: Settings) -> dict[str, Json]:
    log_file = str(settings.log_of(Path(summary.run_file)))
    return as_json(with_window(summary, time.time())) | {"logFile": log_file}


def print_preview(
    planned: Summary,
    output: Output | PreviewFormat | ResultFormat,
    *,
    all_namespaces: bool = False,
) -> None:
    """Print what a planned run would change: the output of `plan`."""
    view = preview(Path(planned.run_file))
    listed = partial(list_targets, [Path(planned.run_file)])
    match output.value:
        case "json":
            write_line(json.dumps(preview_as_json(view)))
        case "yaml":
            write_data(yaml_lines(preview_as_json(view)), sys.stdout)
        case "csv":
            write_data(target_csv_lines(listed(TargetFilter())), sys.stdout)
        case "name":
            chosen = TargetFilter(standings=frozenset({Standing.PENDING}))
            write_data(target_name_lines(listed(chosen)), sys.stdout)
        case "markdown":
            write_data(markdown_lines(view, all_namespaces=all_namespaces), sys.stdout)
        case _:
            write(preview_lines(view, all_namespaces=all_namespaces), sys.stdout)


def print_rehearsal(planned: Summary, output: Output | ResultFormat) -> None:
    """Print what a run would change that is not carried out (`--dry-run=client`)."""
    print_preview(planned, output)
    if output.value == "text":
        objects = several(planned.tally.open, "object")
        write([f"{objects} would be patched (dry run: no patch was sent)."], sys.stdout)


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
