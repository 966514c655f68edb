"""`fleetpatch schema`: the JSON Schema of plan files."""

import json

from fleetpatch.cli.streams import write_line


def command() -> None:
    """Print the JSON Schema of plan files, for editors."""
    from fleetpatch.model.plan.json_schema import json_schema

    write_line(json.dumps(json_schema(), indent=2))
