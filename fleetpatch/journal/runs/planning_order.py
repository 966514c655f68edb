"""The order in which runs and undos were planned, whatever the clocks of their machines say.

An undo was planned after the run that it undoes, and after the other runs that it has noted. The
time in their names decides only between runs that neither of these orders.
"""

from collections.abc import Iterable
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush

from fleetpatch.journal.runs import catalog, run_names
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.run_names import Age


def in_planning_order(entries: Iterable[RunEntry]) -> list[RunEntry]:
    """Return the entries, those that were planned first in front; of one name, the last."""
    found = {one.run: one for one in entries}
    sorter = TopologicalSorter({run: _earlier(one) & found.keys() for run, one in found.items()})
    # Files that claim to undo each other: those come last.
    with suppress(CycleError):
        sorter.prepare()
    order, ready = dict[str, RunEntry](), list[tuple[Age, str]]()
    while sorter.is_active():
        for run in sorter.get_ready():
            heappush(ready, _age(found[run]))
        _, run = heappop(ready)
        order[run] = found[run]
        sorter.done(run)
    rest = (one for run, one in found.items() if run not in order)
    return [*order.values(), *sorted(rest, key=_age)]


def _earlier(entry: RunEntry) -> set[str]:
    """Return the runs that were there when this one was planned, as far as its file names them."""
    return {entry.undo_of, *(entry.relatives or ())} - {entry.run}


def _age(entry: RunEntry) -> tuple[Age, str]:
    # The name within the file: a person may have named the file, and its time of writing changes.
    name = run_names.parse(entry.run)
    return (name.planned if name else catalog.planned(entry.path)), entry.run
