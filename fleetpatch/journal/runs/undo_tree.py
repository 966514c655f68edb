"""Which runs are undone, and by which undo: a run, its undos, the undos of those, and so on.

An undo is a run, so it may be undone itself; then what it had put back stands again. A run is
undone as a whole if its latest undo that stands is finished and none of its targets failed. It is
undone in part if such an undo is unfinished, left something, or was undone in part itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from fleetpatch.journal.runs import catalog, run_names
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.run_names import Age
from fleetpatch.model.run import RunState


class Undone(NamedTuple):
    """The latest undo that stands, and whether it has put back all that its run changed."""

    by: str
    whole: bool


class Activity(msgspec.Struct, frozen=True):
    """What tells whether a run has sent PATCHes since: their number, and whether more may be sent.

    The requests of a session that was killed may not be counted; its run is still `running`.
    """

    patches: int
    running: bool


def has_begun(undo: RunEntry) -> bool:
    """Return whether an undo may have put something back."""
    if undo.info is None or undo.info.dry_run or not undo.is_started:
        return False
    return bool(undo.patches) or undo.has_claims


class UndoTree:
    """The undos among `entries`, by the runs that they undo.

    If a run names an undo that is not among them, the run file of that undo was removed, and the
    run counts as undone by it.
    """

    def __init__(self, entries: Iterable[RunEntry]) -> None:
        self._entries = {one.run: one for one in entries}
        self._undos: dict[str, list[RunEntry]] = {}
        self._found: dict[str, Undone | None] = {}
        for one in sorted(self._entries.values(), key=_age, reverse=True):
            if _is_undo(one):
                self._undos.setdefault(one.undo_of, []).append(one)

    def undone(self, run: str) -> Undone | None:
        """Return what has undone a run; None if nothing that it changed is put back."""
        if run not in self._found:
            # Two files that claim to undo each other must not lead to endless recursion.
            self._found[run] = None
            self._found[run] = self._undone(run)
        return self._found[run]

    def undone_runs(self) -> Iterator[tuple[str, Undone]]:
        """Yield each run that is undone, as a whole or in part."""
        for run in self._runs_with_undos():
            if undone := self.undone(run):
                yield run, undone

    def complete(self, run: str) -> str:
        """Return the undo that leaves nothing to put back of a run; empty if there is none.

        Unlike `undone` this includes an undo that found nothing to send.
        """
        counted = [one for one in self._standing(run) if has_begun(one) or _is_clean(one)]
        if not counted:
            undone = self.undone(run)
            return undone.by if undone and undone.whole else ""
        return counted[0].run if self._is_whole(counted[0]) else ""

    def complete_runs(self) -> Iterator[tuple[str, str]]:
        """Yield each run of which nothing is left to put back, with the undo that did it."""
        for run in self._runs_with_undos():
            if undo := self.complete(run):
                yield run, undo

    def later(self, run: str) -> list[RunEntry]:
        """Return the undos of the tree that have begun and were planned after a run, oldest first.

        They may have changed objects of the run.
        """
        of = self._entries.get(run)
        undos = [one for one in self.relatives(run) if _is_undo(one) and has_begun(one)]
        return sorted((one for one in undos if of is None or _age(one) > _age(of)), key=_age)

    def depth(self, undo: str, *, below: str) -> int | None:
        """Return 1 for an undo of the run `below`, 2 for an undo of that; None for any other."""
        return next((n for n, run in enumerate(self.ancestors(undo), 1) if run == below), None)

    def standing(self, run: str) -> list[RunEntry]:
        """Return the undos of a run that may have put something back, newest first.

        One that was undone itself as a whole is not among them.
        """
        return [one for one in self._standing(run) if has_begun(one)]

    def as_begun(self, undo: str) -> "UndoTree":
        """Return the tree as it is as soon as this undo has begun."""
        begun = replace(self._entries[undo], state=RunState.RUNNING, has_claims=True)
        return UndoTree([*self._entries.values(), begun])

    def path_of(self, run: str) -> Path | None:
        """Return the path of a run file; None if it is not among those that were read."""
        entry = self._entries.get(run)
        return entry.path if entry else None

    def entry(self, run: str) -> RunEntry | None:
        """Return the entry of a run; None if its file is not among those that were read."""
        return self._entries.get(run)

    def ancestors(self, undo: str) -> Iterator[str]:
        """Yield the run that an undo undoes, the run which that one undoes, and so on."""
        seen = {undo}
        while (entry := self._entries.get(undo)) and entry.undo_of:
            undo = entry.undo_of
            if undo in seen:
                return
            seen.add(undo)
            yield undo

    def relatives(self, run: str) -> list[RunEntry]:
        """Return all other runs of the tree that a run is in."""
        root = self._root(run)
        return [
            one for one in self._entries.values() if one.run != run and self._root(one.run) == root
        ]

    def activity(self, run: str) -> dict[str, Activity]:
        """Return what is known of the other runs of the tree, for `sent_since`."""
        return {one.run: self.activity_of(one) for one in self.relatives(run)}

    def activity_of(self, entry: RunEntry) -> Activity:
        """Return what tells later whether a run has sent PATCHes since now."""
        return Activity(entry.patches, entry.state is RunState.RUNNING and entry.has_claims)

    def sent_since(self, run: str, known: Mapping[str, Activity] | None) -> list[str]:
        """Return the other runs of the tree that have sent PATCHes since `known` was noted.

        They have changed objects of this run, or put them back. Without `known`, as in the files
        of earlier versions, these are all other undos that have begun. If this one has not begun,
        it is also the run that it undoes, since that may have gone on.
        """
        if known is None:
            of = list(self.ancestors(run))
            others = [one for one in self.relatives(run) if one.run not in of]
            begun = [one.run for one in others if _is_undo(one) and has_begun(one)]
            entry = self._entries.get(run)
            return begun if entry and has_begun(entry) else [*begun, *of[:1]]
        before = {one.run: known.get(one.run, Activity(0, False)) for one in self.relatives(run)}
        now = self.activity(run)
        return [one for one, was in before.items() if _has_sent(was, now[one])]

    def _runs_with_undos(self) -> Iterable[str]:
        named = [run for run in self._entries if self._removed_undo(run)]
        return dict.fromkeys([*self._undos, *named])

    def _undone(self, run: str) -> Undone | None:
        begun = self.standing(run)
        if begun:
            return Undone(begun[0].run, self._is_whole(begun[0]))
        removed = self._removed_undo(run)
        return Undone(removed, whole=not self._entries[run].undone_in_part) if removed else None

    def _standing(self, run: str) -> list[RunEntry]:
        return [one for one in self._undos.get(run, ()) if not self._is_gone(one.run)]

    def _is_gone(self, run: str) -> bool:
        undone = self.undone(run)
        return undone is not None and undone.whole

    def _is_whole(self, undo: RunEntry) -> bool:
        return (
            _is_clean(undo) and self.undone(undo.run) is None and not self._has_lost_earlier(undo)
        )

    def _has_lost_earlier(self, undo: RunEntry) -> bool:
        """Return whether something is changed again that the undo left out as put back already.

        That is so if an earlier undo of the same run was itself undone since.
        """
        earlier = [one for one in self._undos.get(undo.undo_of, ()) if _age(one) < _age(undo)]
        return any(_age(since) > _age(undo) for one in earlier for since in self.standing(one.run))

    def _removed_undo(self, run: str) -> str:
        entry = self._entries.get(run)
        return entry.undone_by if entry and entry.undone_by not in self._entries else ""

    def _root(self, run: str) -> str:
        return next(reversed([run, *self.ancestors(run)]))


def _is_undo(entry: RunEntry) -> bool:
    return bool(entry.undo_of) and entry.info is not None and not entry.info.dry_run


def _is_clean(undo: RunEntry) -> bool:
    return (undo.state, undo.cause_code) == (RunState.FINISHED, "")


def _has_sent(was: Activity, now: Activity) -> bool:
    return now.patches != was.patches or (now.running and not was.running)


def _age(entry: RunEntry) -> tuple[Age, str]:
    # The name within the file: a person may have named the file, and its time of writing changes.
    name = run_names.parse(entry.run)
    return (name.planned if name else catalog.planned(entry.path)), entry.run
