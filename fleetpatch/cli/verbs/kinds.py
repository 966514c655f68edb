"""`fleetpatch kinds`: what the job kinds of a provider take."""

import json
import sys
from typing import Annotated

from fleetpatch.cli.options import Output, OutputOption
from fleetpatch.cli.parameters import Option
from fleetpatch.cli.streams import write_line
from fleetpatch.model.providers.capability import ProviderName


def command(
    provider: Annotated[
        ProviderName, Option(help="The provider whose kinds are shown.")
    ] = ProviderName.KUBERNETES,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show which patches the job kinds of a provider accept.

    For each kind: types of patches, fields, and query parameters. Plans are checked against it
    before anything is sent.
    """
    from fleetpatch.model.providers.tables import PROVIDERS
    from fleetpatch.report.kinds import as_json, kind_lines
    from fleetpatch.report.terminal import write

    if output is Output.JSON:
        write_line(json.dumps(as_json(PROVIDERS[provider])))
    else:
        write(kind_lines(PROVIDERS[provider]), sys.stdout)
