"""`fleetpatch report`: what a run or a campaign did, as a page for people or for programs."""

import sys
import time
from pathlib import Path
from typing import Annotated

from fleetpatch.cli.options import RunsArgument, StateDirOption, in_existing_folder
from fleetpatch.cli.parameters import Option
from fleetpatch.errors import UsageError


def command(
    runs: RunsArgument,
    html: Annotated[
        Path | None,
        Option(
            "--html",
            metavar="FILE",
            read=in_existing_folder,
            help="Write one HTML page that needs nothing else; - is stdout.",
        ),
    ] = None,
    markdown: Annotated[
        bool, Option("--markdown", help="For a pull request, a ticket or a chat (default).")
    ] = False,
    json: Annotated[bool, Option("--json", help="One JSON object, for programs.")] = False,
    csv: Annotated[
        bool, Option("--csv", help="All targets, a row each, for spreadsheets.")
    ] = False,
    state_dir: StateDirOption = None,
) -> None:
    """Show what a run or a plan's runs did, as a page, Markdown, JSON or CSV.

    For the name of a plan, and for several runs, what all of them did. The run files are only read.
    """
    from fleetpatch import files
    from fleetpatch.campaign.report import report_of
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.campaign.target_list import TargetFilter, list_targets
    from fleetpatch.cli.report_runs import named_runs
    from fleetpatch.report.document.as_json import json_text
    from fleetpatch.report.document.markdown import markdown_lines
    from fleetpatch.report.targets import target_csv_lines
    from fleetpatch.report.terminal import write_data

    to_stdout = html is not None and files.is_stdout(html)
    if markdown + json + csv + to_stdout > 1:
        raise UsageError(
            "stdout takes one format: give one of --markdown, --json, --csv and --html -"
        )
    if html is not None:
        from fleetpatch.report.document.page import is_page, page, require_extra

        require_extra()
        if not to_stdout and files.has_other_content(html, is_page):
            raise UsageError(
                f"--html {html} exists already and is not a page of `report`; name another file"
            )
    named = named_runs(Settings(state_dir=state_dir).runs, runs)
    if html is not None or not csv:
        report = report_of(named.paths, named.name, time.time(), named.undos)
        if html is not None:
            _write(page(report), html)
        if json:
            write_data([json_text(report)], sys.stdout)
        elif markdown or html is None:
            write_data(markdown_lines(report), sys.stdout)
    if csv:
        listed = list_targets(named.paths, TargetFilter())
        write_data(target_csv_lines(listed, inert=True), sys.stdout)


def _write(text: str, path: Path) -> None:
    from fleetpatch import files

    if files.is_stdout(path):
        sys.stdout.write(text)
        return
    files.replace_own(path, text.encode())
    sys.stderr.write(f"Wrote {path}: open it in a browser.\n")
