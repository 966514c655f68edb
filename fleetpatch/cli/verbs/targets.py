"""`fleetpatch targets`: list the targets of a run with their outcomes."""

import sys
from itertools import chain
from typing import Annotated

import typer

from fleetpatch.cli.options import Output, OutputOption, RunArgument, StateDirOption
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import Standing

_PENDING = (Standing.PENDING, Standing.IN_DOUBT)


def command(
    run: RunArgument,
    outcome: Annotated[
        list[Standing] | None,
        typer.Option(
            metavar="OUTCOME",
            help=f"Only targets with this outcome; may be repeated: {', '.join(Standing)}.",
        ),
    ] = None,
    reason: Annotated[
        list[Reason] | None,
        typer.Option(
            metavar="REASON",
            help="Only targets with this reason, as it is listed; may be repeated.",
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """List the targets of a run.

    With -o json, one JSON object a line.
    """
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.campaign.view import find_run, open_for_reading
    from fleetpatch.cli.choose_run import to_read
    from fleetpatch.journal import queries
    from fleetpatch.report.targets import target_json_lines, target_lines
    from fleetpatch.report.terminal import write

    path = to_read(find_run(Settings(state_dir=state_dir).runs, run))[0]
    standings = None
    if outcome:
        standings = {one for chosen in outcome for one in _standings_of(chosen)}
    lines = target_json_lines if output is Output.JSON else target_lines
    with open_for_reading(path) as journal:
        listed = queries.targets(journal, standings, *reason or ())
        first = next(listed, None)
        if first is not None:
            write(lines(chain([first], listed)), sys.stdout)
        elif output is Output.TEXT:
            such = " such" if outcome or reason else ""
            typer.echo(f"The run has no{such} targets.")


def _standings_of(standing: Standing) -> tuple[Standing, ...]:
    # People count a target in doubt as pending, too: it has no outcome either.
    return _PENDING if standing is Standing.PENDING else (standing,)
