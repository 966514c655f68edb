"""`fleetpatch runs`: the list of runs, newest first."""

import json
import sys
import time
from typing import Annotated

from fleetpatch.cli.options import Output, OutputOption, SinceOption, StateDirOption
from fleetpatch.cli.parameters import Option
from fleetpatch.cli.streams import write_line
from fleetpatch.model.run import RunState, as_json


def command(
    plan: Annotated[
        list[str] | None,
        Option(
            "--plan",
            metavar="NAME",
            help="Only runs of this plan; may be repeated.",
        ),
    ] = None,
    state: Annotated[
        list[RunState] | None,
        Option(
            "--state",
            metavar="STATE",
            help=f"Only runs in this state; may be repeated: {', '.join(RunState)}.",
        ),
    ] = None,
    since: SinceOption = None,
    limit: Annotated[
        int, Option("--limit", at_least=0, metavar="N", help="The most runs to list; 0 lists all.")
    ] = 20,
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """List the runs, newest first.

    A run that is planned was previewed and not started.
    """
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.journal.runs.run_list import RunFilter, newest
    from fleetpatch.report.runs import run_lines
    from fleetpatch.report.terminal import width_of, write

    folder = Settings(state_dir=state_dir).runs
    chosen = RunFilter(frozenset(plan or ()), frozenset(state or ()), since)
    listed = newest(folder, chosen, limit or None)
    for problem in listed.problems:
        sys.stderr.write(f"{problem}\n")
    if output is Output.JSON:
        from fleetpatch.campaign.view import with_window

        now = time.time()
        write_line(json.dumps([as_json(with_window(one, now)) for one in listed.runs]))
    elif listed.runs:
        write(run_lines(listed.runs, width_of(sys.stdout)), sys.stdout)
        if listed.has_more:
            sys.stderr.write("There are more runs; --limit 0 lists all.\n")
    else:
        such = " such" if plan or state or since is not None else ""
        write_line(f"There are no{such} runs in {folder}.")
