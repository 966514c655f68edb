"""Finds the runs that `report` is about."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from fleetpatch.campaign.view import find_run
from fleetpatch.cli.choose_run import to_read
from fleetpatch.journal.runs import catalog
from fleetpatch.journal.runs.campaigns import Campaign
from fleetpatch.report.wording import several

_NAMES_SHOWN: Final = 3


class NamedRuns(msgspec.Struct, frozen=True):
    """The run files of a report, each once, and the name of the report.

    `undos` are undos of these runs that are unfinished, with the words that name them.
    """

    name: str
    paths: Sequence[Path]
    undos: Mapping[str, Sequence[str]] = {}


def named_runs(runs: Path, texts: Sequence[str]) -> NamedRuns:
    """Find runs and campaigns. Raises UsageError and RunFileError as `find_run`."""
    found = [find_run(runs, text) for text in texts]
    paths = {path.absolute(): path for one in found for path in to_read(one)}
    undos = {
        undo.run: undo.words
        for one in found
        if isinstance(one, Campaign)
        for undo in one.unfinished_undos
    }
    names = list(dict.fromkeys(map(_name_of, found)))
    if len(names) > _NAMES_SHOWN:
        names = [*names[:_NAMES_SHOWN], several(len(names) - _NAMES_SHOWN, "more run")]
    return NamedRuns(", ".join(names), list(paths.values()), undos)


def _name_of(found: Path | Campaign) -> str:
    return found.name if isinstance(found, Campaign) else catalog.read_entry(found).run
