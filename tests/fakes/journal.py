"""A run file in memory that checks the contract of the port Journal."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.target import Target, TargetId


@dataclass
class FakeJournal:
    """Implements the port Journal; fails the test if calls overlap or a target is settled twice.

    `calls` lists each call with its targets. `on_record` and `on_claim` are called first and may
    raise, like a full disk.
    """

    pending: list[Target] = field(default_factory=list)
    on_claim: Callable[[], None] = lambda: None
    on_record: Callable[[], None] = lambda: None
    drafts: list[Draft] = field(default_factory=list)
    settled: dict[TargetId, Settlement] = field(default_factory=dict)
    claimed: set[TargetId] = field(default_factory=set)
    calls: list[tuple[str, tuple[TargetId, ...]]] = field(default_factory=list)
    _known: dict[TargetId, Target] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def doubtful(self) -> set[TargetId]:
        """Targets that are claimed, and neither released nor settled."""
        return self.claimed - set(self.settled)

    @property
    def groups(self) -> list[int]:
        """The number of outcomes of each commit."""
        return [len(targets) for call, targets in self.calls if call == "record"]

    def add(self, drafts: Iterable[Draft]) -> None:
        with self._exclusive():
            self.drafts.extend(drafts)

    def found(self) -> int:
        with self._exclusive():
            return len({(draft.cluster, draft.seen.uid) for draft in self.drafts})

    def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        with self._exclusive():
            self.on_claim()
            end = math.inf if last is None else last
            mine = [one for one in self.pending if one.cluster == cluster and after < one.id <= end]
            chunk = mine[:limit]
            taken = {target.id for target in chunk}
            self.pending = [target for target in self.pending if target.id not in taken]
            self.claimed |= taken
            self._known |= {target.id: target for target in chunk}
            self._note_call("claim", chunk)
            return chunk

    def release(self, targets: Iterable[Target]) -> None:
        with self._exclusive():
            released = list(targets)
            assert {target.id for target in released} <= self.doubtful
            self.claimed -= {target.id for target in released}
            self.pending.extend(released)
            self._note_call("release", released)

    def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        with self._exclusive():
            numbers = sorted(number for number in self.doubtful if number > after)
            found = [self._known[number] for number in numbers]
            return [target for target in found if target.cluster == cluster][:limit]

    def record(self, settlements: Iterable[Settlement]) -> None:
        with self._exclusive():
            self.on_record()
            group = list(settlements)
            for settlement in group:
                assert settlement.target in self.doubtful, "not claimed, or settled before"
                self.settled[settlement.target] = settlement
            self.calls.append(("record", tuple(settlement.target for settlement in group)))

    def _note_call(self, call: str, targets: Sequence[Target]) -> None:
        self.calls.append((call, tuple(target.id for target in targets)))

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        assert self._lock.acquire(blocking=False), "calls of the journal overlap"
        try:
            yield
        finally:
            self._lock.release()
