"""Which runs are undone, and by which undo: a run, its undos, the undos of those, and so on.

An undo is a run, so it may be undone itself; then what it had put back stands again. A run is
undone as a whole if its latest undo that stands is finished and none of its targets failed. It is
undone in part if such an undo is unfinished, left something, or was undone in part itself.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from fleetpatch.journal.activity import Activity, quoted
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.planning_order import in_planning_order
from fleetpatch.model.run import RunState


class Undone(NamedTuple):
    """The latest undo that stands, and whether it has put back all that its run changed."""

    by: str
    whole: bool


def has_begun(undo: RunEntry) -> bool:
    """Return whether an undo may have put something back."""
    if undo.info is None or undo.info.dry_run or not undo.is_started:
        return False
    return undo.has_put_back or _is_sending(undo)


class UndoTree:
    """The undos among `entries`, by the runs that they undo, in the order of their planning.

    If a run names an undo that is not among them, the run file of that undo was removed or cannot
    be read, and the run counts as undone by it.
    """

    def __init__(self, entries: Iterable[RunEntry]) -> None:
        ordered = in_planning_order(one for one in entries if not one.problem)
        self._entries = {one.run: one for one in ordered}
        self._places = {one.run: place for place, one in enumerate(ordered)}
        self._undos: dict[str, list[RunEntry]] = {}
        self._found: dict[str, Undone | None] = {}
        for one in reversed(ordered):
            if _is_undo(one):
                self._undos.setdefault(one.undo_of, []).append(one)
        # The newest first: what has undone it is known then, however long a chain of undos is.
        for one in reversed(ordered):
            self.undone(one.run)

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
        latest = self.settled_by(run)
        if removed := self._removed_since(run, latest):
            return removed.by if removed.whole else ""
        return latest.run if latest and self._is_whole(latest) else ""

    def complete_runs(self) -> Iterator[tuple[str, str]]:
        """Yield each run of which nothing is left to put back, with the undo that did it."""
        for run in self._runs_with_undos():
            if undo := self.complete(run):
                yield run, undo

    def later(self, run: str) -> list[RunEntry]:
        """Return the undos of the tree that were started and planned after a run, oldest first.

        They have looked at objects of the run, and may have changed them.
        """
        undos = [one for one in self.relatives(run) if _is_undo(one) and one.is_started]
        return [one for one in undos if run not in self._places or self._is_later(one.run, run)]

    def depth(self, undo: str, *, below: str) -> int | None:
        """Return 1 for an undo of the run `below`, 2 for an undo of that; None for any other."""
        return next((n for n, run in enumerate(self.ancestors(undo), 1) if run == below), None)

    def standing(self, run: str) -> list[RunEntry]:
        """Return the undos of a run that may have put something back, newest first.

        One that was undone itself as a whole is not among them.
        """
        return [one for one in self._standing(run) if has_begun(one)]

    def settled_by(self, run: str) -> RunEntry | None:
        """Return the newest undo that may have put back something of a run, or is finished.

        One that was undone itself as a whole does not count.
        """
        return next((one for one in self._standing(run) if has_begun(one) or _is_clean(one)), None)

    def is_open(self, undo: RunEntry) -> bool:
        """Return whether an undo was started, can be continued, and has something left to do."""
        return (
            undo.is_unfinished
            and not self.complete(undo.undo_of)
            and self.undone(undo.run) is None
            and not self.sent_since(undo.run)
        )

    def open_undos(self, run: str) -> list[RunEntry]:
        """Return the undos of a run that are open, newest first."""
        return [one for one in self._undos.get(run, ()) if self.is_open(one)]

    def as_begun(self, undo: str) -> "UndoTree":
        """Return the tree as it is as soon as this undo has begun."""
        return self.with_entry(
            replace(self._entries[undo], state=RunState.RUNNING, has_claims=True)
        )

    def with_entry(self, entry: RunEntry) -> "UndoTree":
        """Return the tree with the entry of a run replaced by this one."""
        return UndoTree([*self._entries.values(), entry])

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
        """Return all other runs of the tree that a run is in, in the order of their planning."""
        root = self._root(run)
        return [
            one for one in self._entries.values() if one.run != run and self._root(one.run) == root
        ]

    def activity(self, run: str) -> dict[str, Activity]:
        """Return what is known of the tree of a run, for the undo of it that is planned now."""
        entry = self._entries.get(run)
        tree = [*([entry] if entry else ()), *self.relatives(run)]
        return {one.run: _activity_of(one) for one in tree}

    def sent_since(self, undo: str) -> list[str]:
        """Return the other runs of the tree that have sent PATCHes since this undo was planned.

        They have changed objects of this undo, or put them back. If it has noted no others, as in
        the files of earlier versions, these are all other undos that have begun. If it has not
        begun itself, it is also the run that it undoes, since that may have gone on.
        """
        entry, others = self._entries.get(undo), self.relatives(undo)
        known = entry.relatives if entry else None
        if known is None:
            of = list(self.ancestors(undo))
            related = [one for one in others if one.run not in of]
            begun = [one.run for one in related if _is_undo(one) and has_begun(one)]
            return begun if entry and has_begun(entry) else [*begun, *of[:1]]
        return [one.run for one in others if _has_sent_since(one, known.get(one.run))]

    def _runs_with_undos(self) -> Iterable[str]:
        named = [run for run in self._entries if self._removed_undo(run)]
        return dict.fromkeys([*self._undos, *named])

    def _undone(self, run: str) -> Undone | None:
        latest = next(iter(self.standing(run)), None)
        if removed := self._removed_since(run, latest):
            return removed
        return Undone(latest.run, self._is_whole(latest)) if latest else None

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
        undos = self._undos.get(undo.undo_of, ())
        earlier = [one for one in undos if self._is_later(undo.run, one.run)]
        since = [since for one in earlier for since in self.standing(one.run)]
        return any(self._is_later(one.run, undo.run) for one in since)

    def _is_later(self, run: str, than: str) -> bool:
        return self._places[run] > self._places[than]

    def _removed_since(self, run: str, latest: RunEntry | None) -> Undone | None:
        """Return the undo that a run names if its file was removed, and is not older than `latest`.

        The run names the latest one, unless that could not be noted in it.
        """
        removed = self._removed_undo(run)
        if not removed or (latest and (latest.relatives is None or removed in latest.relatives)):
            return None
        return Undone(removed, whole=not self._entries[run].undone_in_part)

    def _removed_undo(self, run: str) -> str:
        entry = self._entries.get(run)
        return entry.undone_by if entry and entry.undone_by not in self._entries else ""

    def _root(self, run: str) -> str:
        return next(reversed([run, *self.ancestors(run)]))


def _is_undo(entry: RunEntry) -> bool:
    return bool(entry.undo_of) and entry.info is not None and not entry.info.dry_run


def _is_clean(undo: RunEntry) -> bool:
    return (undo.state, undo.cause_code) == (RunState.FINISHED, "")


def _is_sending(entry: RunEntry) -> bool:
    return entry.state is RunState.RUNNING and entry.has_claims


def _has_sent_since(run: RunEntry, before: Activity | None) -> bool:
    if before is None:  # it was planned later
        return bool(run.patches) or has_begun(run)
    return _activity_of(run).has_sent_since(before)


def _activity_of(entry: RunEntry) -> Activity:
    return Activity(entry.patches, _is_sending(entry), entry.outcomes, quoted(entry.path))
