"""`fleetpatch status`: the state of runs."""

import json
import sys
from typing import Annotated

from fleetpatch.cli.options import Output, OutputOption, StateDirOption
from fleetpatch.cli.parameters import Argument, Option
from fleetpatch.cli.streams import write_line
from fleetpatch.errors import UsageError
from fleetpatch.model.run import Summary, as_json


def command(
    run: Annotated[
        str | None,
        Argument(
            metavar="[RUN]", help="A run file, a run's name or its beginning, or a plan's name."
        ),
    ] = None,
    watch: Annotated[
        bool,
        Option("--watch", "-w", help="Show it every second, until no process carries the run out."),
    ] = False,
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """Show the state of runs.

    With RUN its full status, with the name of a plan that of all its runs, the one under way first,
    without it a table of all runs. The status of a live run is what its
    process reports every second: rate, what limits it, wave, window, expected end.
    """
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.campaign.view import find_run, summaries
    from fleetpatch.cli.choose_run import to_read
    from fleetpatch.cli.show_campaign import show_campaign, under_way_first
    from fleetpatch.cli.watch import show, show_until_ended
    from fleetpatch.journal.runs.campaigns import Campaign
    from fleetpatch.report.summary import run_lines
    from fleetpatch.report.terminal import write

    settings = Settings(state_dir=state_dir)
    if run is not None:
        named = find_run(settings.runs, run)
        paths = to_read(named)
        if isinstance(named, Campaign) and not watch:
            show_campaign(named, paths, settings, output)
        else:
            (show_until_ended if watch else show)(under_way_first(paths)[0], settings, output)
        return
    if watch:
        raise UsageError("--watch needs a run: `fleetpatch status RUN --watch`")
    found = list(summaries(settings.runs))
    readable = [one for one in found if isinstance(one, Summary)]
    for problem in found:
        if isinstance(problem, str):
            sys.stderr.write(f"{problem}\n")
    if output is Output.JSON:
        write_line(json.dumps([as_json(summary) for summary in readable]))
    elif readable:
        write(run_lines(readable), sys.stdout)
    else:
        write_line(f"There are no runs in {settings.runs}.")
