"""Verifies one run, or those of a campaign: the newest first, each object once."""

import json
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.verify_run import changed_objects, verify
from fleetpatch.cli.event_loop import run
from fleetpatch.cli.options import Output
from fleetpatch.cli.streams import write_line
from fleetpatch.errors import Exit
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import ObjectId
from fleetpatch.journal.verification import KEPT, not_holding
from fleetpatch.model.run import Summary
from fleetpatch.report.progress import watch_planning
from fleetpatch.report.terminal import write
from fleetpatch.report.verification import OBJECTS_SHOWN, as_json, verified_lines


def verify_runs(paths: Sequence[Path], settings: Settings, output: Output) -> Exit:
    """Verify the runs in the order given, print what was found, and return the exit code."""
    newer: set[ObjectId] = set()
    codes: list[Exit] = []
    for path in paths:
        summary = _verify(path, settings, newer)
        _print(summary, output)
        codes.append(_code_of(summary))
        # A later run may have changed what an earlier one had changed: then its values count.
        if path is not paths[-1]:
            newer |= changed_objects(path)
    return next((code for code in (Exit.SOME_FAILED, Exit.TROUBLE) if code in codes), Exit.OK)


def _verify(path: Path, settings: Settings, newer: Collection[ObjectId]) -> Summary:
    with watch_planning(sys.stderr, "Verifying") as progress:
        work = partial(verify, path, replace(settings, progress=progress), left_out=newer)
        return run(work)


def _print(summary: Summary, output: Output) -> None:
    is_json = output is Output.JSON
    with RunFile.open(Path(summary.run_file)) as journal:
        objects = list(not_holding(journal, limit=KEPT if is_json else OBJECTS_SHOWN))
    if is_json:
        write_line(json.dumps(as_json(summary, objects)))
    else:
        write(verified_lines(summary, objects), sys.stdout)


def _code_of(summary: Summary) -> Exit:
    found = summary.verification
    if found is not None and found.reverted:
        return Exit.SOME_FAILED
    return Exit.TROUBLE if found is not None and found.unread else Exit.OK
