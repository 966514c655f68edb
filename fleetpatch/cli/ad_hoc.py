"""Carries out the plan that `label` and `annotate` make of their arguments."""

import sys
from pathlib import Path

from fleetpatch.campaign.planning.listing import list_objects
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.view import names_not_found
from fleetpatch.cli import execute
from fleetpatch.cli.dry_run import DryRun
from fleetpatch.cli.ending import Ended
from fleetpatch.cli.event_loop import run
from fleetpatch.cli.options import ResultFormat
from fleetpatch.cli.output import print_rehearsal, print_warnings
from fleetpatch.errors import Exit
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.run import Summary
from fleetpatch.report.objects import (
    What,
    object_csv_lines,
    object_json_lines,
    object_lines,
    object_name_lines,
    object_yaml_lines,
)
from fleetpatch.report.terminal import write, write_data
from fleetpatch.report.wording import several


def carry_out(
    plan: PlanFile,
    settings: Settings,
    output: ResultFormat,
    run_file: Path | None,
    dry_run: DryRun,
    *,
    everything: bool,
    yes: bool,
) -> None:
    """Expand the plan, ask unless `yes`, carry the run out, and exit with its code.

    With `--dry-run=client` it is only shown what the run would change. As in kubectl the command
    fails, with exit code 3, for objects that were named and do not exist, and for objects that were
    kept because `--overwrite` is missing. The others are changed.
    """
    print_warnings(plan)
    on_server = dry_run is DryRun.SERVER
    planned = execute.expand_with_progress(
        plan, settings, run_file=run_file, everything=everything, dry_run=on_server
    )
    missing = names_not_found(Path(planned.run_file))
    if dry_run is DryRun.CLIENT:
        print_rehearsal(planned, output)
        if _warn_of_kept(planned) or missing:
            raise Ended(Exit.SOME_FAILED)
        return

    def code_of(summary: Summary) -> Exit:
        code, incomplete = execute.code_of(summary), _warn_of_kept(summary) or missing
        return Exit.SOME_FAILED if code is Exit.OK and incomplete else code

    execute.carry_out(planned, settings, output, yes=yes, code_of=code_of)


def _warn_of_kept(summary: Summary) -> int:
    """Return the number of objects that kept another value, after a line that says so."""
    kept = summary.reasons.get(Outcome.SKIPPED, {}).get(Reason.EXISTS, 0)
    if kept:
        sys.stderr.write(
            f"{several(kept, 'object')} had another value already and kept it"
            f" (skipped: {Reason.EXISTS}); use --overwrite to replace it\n"
        )
    return kept


def show(plan: PlanFile, settings: Settings, output: ResultFormat, what: What) -> None:
    """Print the labels or annotations of the objects that the plan selects (`--list`).

    Exits with 3 if an object that is named does not exist; the others are shown.
    """
    found, missing = run(lambda: list_objects(plan, settings))
    for text in missing:
        settings.warn(text)
    lines = {
        ResultFormat.TEXT: lambda: object_lines(found, what),
        ResultFormat.JSON: lambda: object_json_lines(found, what),
        ResultFormat.YAML: lambda: object_yaml_lines(found, what),
        ResultFormat.CSV: lambda: object_csv_lines(found, what),
        ResultFormat.NAME: lambda: object_name_lines(found),
    }[output]()
    (write if output is ResultFormat.TEXT else write_data)(lines, sys.stdout)
    if not found:
        sys.stderr.write("No object matches.\n")
    if missing:
        raise Ended(Exit.SOME_FAILED)
