"""`fleetpatch validate`: check plan files without a cluster."""

import json
import sys
from pathlib import Path
from typing import Annotated

from fleetpatch.cli.ending import Ended
from fleetpatch.cli.options import Output, OutputOption
from fleetpatch.cli.parameters import Argument, Option
from fleetpatch.cli.streams import write_line
from fleetpatch.errors import Exit, UsageError


def command(
    plans: Annotated[list[Path] | None, Argument(metavar="PLAN...")] = None,
    filename: Annotated[
        list[Path] | None,
        Option("-f", "--filename", metavar="PLAN", help="A plan file; may be repeated."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check plan files without a cluster.

    Every problem of every file is reported, as file:line:column: what is wrong, and what to do. A
    plan with warnings is valid, but may not do what is expected.
    """
    from fleetpatch.cli.validation import check, json_of

    files = [*(plans or ()), *(filename or ())]
    if not files:
        raise UsageError("missing argument 'PLAN...'; see `fleetpatch validate --help`")
    checked = [check(path) for path in files]
    if output is Output.JSON:
        write_line(json.dumps([json_of(one) for one in checked]))
    else:
        for one in checked:
            for problem in (*one.problems, *one.warnings):
                sys.stderr.write(f"{problem}\n")
            if one.plan is not None:
                write_line(f"{one.file}: valid ({one.plan.plan.name}, {one.plan.digest})")
    if any(one.plan is None for one in checked):
        raise Ended(Exit.USAGE)
