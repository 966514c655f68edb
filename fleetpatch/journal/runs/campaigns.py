"""Campaigns: all runs of one plan, found by the plan's name or by the beginning of it.

The functions that choose among runs take the entries of a `catalog.listing`, so that run files are
read only once.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from fleetpatch import files
from fleetpatch.errors import Locked, RunFileError, UsageError
from fleetpatch.journal.runs import catalog, run_names
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.model.run import RunInfo, RunState
from fleetpatch.model.text import clean

_SHOWN: Final = 5
"""Runs that a message about an ambiguous name lists at most."""

_PLAN_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})

RunPredicate: TypeAlias = Callable[[RunInfo], bool]
"""Returns whether a run is one of those looked for."""


class Campaign(msgspec.Struct, frozen=True):
    """The runs of one plan, newest first, previews included; `undos` are the undos of its runs.

    Both have the files that cannot be read.
    """

    name: str
    runs: tuple[RunEntry, ...]
    undos: tuple[RunEntry, ...] = ()

    @property
    def started(self) -> list[RunEntry]:
        """The runs that were carried out, at least in part; a dry run changes nothing."""
        return [one for one in self.runs if one.is_started and one.info and not one.info.dry_run]

    @property
    def unfinished(self) -> list[RunEntry]:
        """The started runs and undos that can be continued.

        Runs that were undone are left out, and undos that are outdated or whose work another undo
        has done.
        """
        tree = self._tree()
        runs = [one for one in self.started if one.is_unfinished and not tree.undone(one.run)]
        return [*self._open_undos(tree), *runs]

    @property
    def unfinished_undos(self) -> list[RunEntry]:
        """The undos that can be continued."""
        return self._open_undos(self._tree())

    @property
    def shown(self) -> list[RunEntry]:
        """The runs that the campaign's name means where they are only read, newest first.

        Those are the started ones; without any, the latest preview.
        """
        return self.started or [one for one in self.runs if one.info][:1]

    def _tree(self) -> UndoTree:
        return UndoTree([*self.undos, *self.runs])

    def _open_undos(self, tree: UndoTree) -> list[RunEntry]:
        return [one for one in self.undos if tree.is_open(one)]


def name_of(run: str) -> str:
    """Return the name of the campaign that the run of this name belongs to."""
    parts = run_names.parse(run)
    return parts.campaign if parts else run


def name_of_undo(undone: RunInfo) -> str:
    """Return the name of the campaign that an undo of this run belongs to."""
    name = name_of(undone.run)
    # The undo of an undo is listed with the undos.
    return name if undone.undo_of else f"{run_names.UNDO}{name}"


def find(runs: Path, text: str) -> Path | Campaign:
    """Find a run by its path, its name, or the beginning of it; or a campaign likewise.

    Raises UsageError if nothing is found, or if several campaigns or runs begin with `text`, and as
    `catalog.run_files`.
    """
    # A link is followed here, and only here: a person named it.
    as_path = Path(text)
    if files.is_regular(as_path):
        return as_path.resolve() if as_path.is_symlink() else as_path
    paths = catalog.run_files(runs)
    # Names only: a run is found even if its file is damaged, so that the error is about that.
    # A whole name takes precedence over names that only begin with it.
    for path in paths:
        if text in (path.stem, path.name):
            return path
    names = list(dict.fromkeys(name_of(path.stem) for path in paths))
    if text in names or any(one.info and text in _names(one.info) for one in _nameless(paths)):
        return read(runs, text)
    begun = [name for name in names if name.startswith(text)] if text else []
    started = [path for path in paths if path.stem.startswith(text)] if text else []
    started = [path for path in started if name_of(path.stem) not in begun]
    match begun, started:
        case [name], []:
            return read(runs, name)
        case [], [path]:
            return path
        case [], []:
            return _by_plan_name(runs, text)
    found = [*begun, *(path.stem for path in started)]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise UsageError(
        f"run {text!r} is ambiguous: {', '.join(found[:_SHOWN])}{more}; give more of its name"
    )


def read(runs: Path, name: str) -> Campaign:
    """Read the run files of a campaign, and those of its undos.

    Raises Locked if a session on another machine has not reported yet on one of them: a campaign
    without that run would seem to be over.
    """
    found: dict[str, list[RunEntry]] = {name: [], f"{run_names.UNDO}{name}": []}
    for path in catalog.run_files(runs):
        parts = run_names.parse(path.stem)
        if parts is not None and parts.campaign not in found:
            continue
        entry = catalog.read_entry(path)
        if entry.is_in_use and parts is not None:
            raise Locked(entry.problem)
        # A run file that a person has named holds the name of its run.
        found.get(name_of(entry.run), []).append(entry)
    its_undos, its_runs = found[f"{run_names.UNDO}{name}"], found[name]
    # Another plan may have such a name. Of a damaged file it is not known.
    undos = tuple(one for one in its_undos if one.undo_of or one.problem)
    runs_of_plan = tuple(one for one in its_runs if not one.undo_of)
    # Without such a plan it is the name of undos. With it, these are the undos of another plan.
    is_plan = any(one.info for one in runs_of_plan)
    return Campaign(name, runs_of_plan if is_plan else tuple(its_runs), undos)


def _nameless(paths: Iterable[Path]) -> Iterator[RunEntry]:
    """Read the run files that do not have the name of their run."""
    return (catalog.read_entry(path) for path in paths if run_names.parse(path.stem) is None)


def _names(info: RunInfo) -> tuple[str, str]:
    return info.run, name_of(info.run)


def _by_plan_name(runs: Path, text: str) -> Campaign:
    """Find the runs whose plan has this name. That of a command line is not the campaign's."""
    entries = [
        one for one in catalog.listing(runs) if text and one.info and one.info.plan_name == text
    ]
    if not entries:
        what = "no regular file" if os.path.lexists(text) else "no such file"
        if Path(text).suffix in _PLAN_SUFFIXES and what == "no such file":
            raise UsageError(f"{clean(text)}: no such plan file; check the path")
        raise UsageError(
            f"run {clean(text)!r}: {what}, and no such run in {runs}; `fleetpatch runs`"
            " lists the runs"
        )
    not_undos = tuple(one for one in entries if not one.undo_of)
    return Campaign(text, not_undos, tuple(one for one in entries if one.undo_of))


def unfinished(
    entries: Sequence[RunEntry], plan_digest: str, *, dry_run: bool = False
) -> list[RunEntry]:
    """Return the started, unfinished runs with this plan digest, newest first."""
    return [
        entry
        for entry in entries
        if entry.info is not None
        and entry.is_unfinished
        and (entry.info.plan_digest, entry.info.dry_run) == (plan_digest, dry_run)
    ]


def begun_undo_by_run(entries: Sequence[RunEntry]) -> dict[str, str]:
    """Map the name of each run that was undone, at least in part, to that of its latest undo.

    Such a run is not resumed: its applied targets do not hold the change any more. An undo that has
    sent nothing has put nothing back, and does not count, nor does one that was undone itself. One
    whose file was removed does.
    """
    return {run: undone.by for run, undone in UndoTree(entries).undone_runs()}


def complete_undo_by_run(entries: Sequence[RunEntry]) -> dict[str, str]:
    """Map the name of each run whose changes were put back to that of the undo that did it.

    The latest undo counts if it is finished, none of its targets failed, and it was not undone
    itself. One whose file was removed counts, too.
    """
    return dict(UndoTree(entries).complete_runs())


def names_of(entry: RunEntry) -> list[str]:
    """Return the campaign that a run belongs to, an undo to that of the run that it undoes.

    Of a damaged file it is not known whether it is an undo, so these may be two.
    """
    name = name_of(entry.run)
    undone = run_names.without_undo(name)
    if entry.info is None:
        return list(dict.fromkeys((name, undone)))
    return [undone if entry.undo_of else name]


def require_readable(entries: Iterable[RunEntry], why: str) -> None:
    """Raise RunFileError if a run file cannot be read; `why` says why that matters, and what to do.

    A run that cannot be read may be the very run that a command is about. Raises Locked instead if
    a session on another machine has not reported on it yet.
    """
    for entry in entries:
        if entry.is_in_use:
            raise Locked(entry.problem)
        if entry.problem:
            raise RunFileError(f"{entry.problem}; nothing was sent, since {why}")


def _always(_info: RunInfo) -> bool:
    return True


def finished(
    entries: Sequence[RunEntry],
    plan_digest: str,
    *,
    dry_run: bool = False,
    here: RunPredicate = _always,
) -> RunEntry | None:
    """Return the newest started run with this plan digest for which `here` is true, if finished."""
    for entry in entries:
        info = entry.info
        if not entry.is_started or info is None:
            continue
        if (info.plan_digest, info.dry_run) == (plan_digest, dry_run) and here(info):
            return entry if entry.state is RunState.FINISHED else None
    return None


def under_way(
    entries: Sequence[RunEntry], plan_name: str, *, here: RunPredicate = _always
) -> RunEntry | None:
    """Return the newest started run of the plan of this name for which `here` is true.

    None if that run is finished or was undone.
    """
    undone = begun_undo_by_run(entries)
    for entry in entries:
        info = entry.info
        if info is None or info.plan_name != plan_name or info.dry_run or info.undo_of:
            continue
        # Only the newest counts: an older one was superseded by it.
        if entry.is_started and here(info):
            return entry if entry.is_unfinished and entry.run not in undone else None
    return None
