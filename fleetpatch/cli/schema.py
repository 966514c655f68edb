"""`fleetpatch schema`: the JSON Schema of plan files."""

import json

import typer

from fleetpatch.model.plan.schema import json_schema


def command() -> None:
    """Print the JSON Schema of plan files, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2))
