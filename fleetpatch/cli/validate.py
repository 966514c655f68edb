"""`fleetpatch validate`: check plan files without a cluster."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetpatch.cli.warnings import show_warnings
from fleetpatch.errors import Exit, UsageError
from fleetpatch.model.plan.load import load_plan


def command(
    plans: Annotated[list[Path], typer.Argument(metavar="PLAN...", show_default=False)],
) -> None:
    """Check plan files without a cluster.

    Every problem of every file is reported, as file:line:column: what, and what to do. A warning is
    no problem: the plan is valid, but may not mean what is expected.
    """
    sound = True
    for path in plans:
        try:
            plan = load_plan(path)
        except UsageError as error:
            sys.stderr.write(f"{error}\n")
            sound = False
        else:
            show_warnings(plan)
            typer.echo(f"{path}: fine ({plan.plan.name}, {plan.digest})")
    if not sound:
        raise typer.Exit(Exit.USAGE)
