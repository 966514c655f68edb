"""`fleetpatch validate`: check plan files without a cluster."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetpatch.errors import Exit, UsageError


def command(
    plans: Annotated[list[Path], typer.Argument(metavar="PLAN...", show_default=False)],
) -> None:
    """Check plan files without a cluster.

    Every problem of every file is reported, as file:line:column: what is wrong, and what to do. A
    plan with warnings is valid, but may not do what is expected.
    """
    from fleetpatch.cli.output import print_warnings
    from fleetpatch.model.plan.load import load_plan

    valid = True
    for path in plans:
        try:
            plan = load_plan(path)
        except UsageError as error:
            sys.stderr.write(f"{error}\n")
            valid = False
        else:
            print_warnings(plan)
            typer.echo(f"{path}: valid ({plan.plan.name}, {plan.digest})")
    if not valid:
        raise typer.Exit(Exit.USAGE)
