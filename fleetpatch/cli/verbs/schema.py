"""`fleetpatch schema`: the JSON Schema of plan files."""

import json

import typer


def command() -> None:
    """Print the JSON Schema of plan files, for editors."""
    from fleetpatch.model.plan.json_schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
