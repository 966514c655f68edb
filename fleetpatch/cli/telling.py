"""A run's summary on stdout: what `apply` ends with, and what `status` shows."""

import json
import sys
from pathlib import Path

import typer

from fleetpatch.campaign.settings import Settings
from fleetpatch.cli.options import Output
from fleetpatch.model.run import Summary, as_json
from fleetpatch.report.summary import summary_lines
from fleetpatch.report.terminal import write


def tell(summary: Summary, settings: Settings, output: Output) -> None:
    """Print a run's summary on stdout."""
    if output is Output.JSON:
        typer.echo(json.dumps(as_json(summary)))
    else:
        log_file = str(settings.log_of(Path(summary.run_file)))
        write(summary_lines(summary, log_file=log_file), sys.stdout)
