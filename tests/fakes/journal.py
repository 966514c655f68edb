"""A run file in memory that holds its caller to the port's contract."""

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
    """Keeps the port Journal, and fails the test where calls overlap or a target is settled twice.

    `story` lists each call with the targets concerned. `on_record` and `on_claim` are called first
    and may raise, as a full disk does.
    """

    pending: list[Target] = field(default_factory=list)
    on_claim: Callable[[], None] = lambda: None
    on_record: Callable[[], None] = lambda: None
    drafts: list[Draft] = field(default_factory=list)
    settled: dict[TargetId, Settlement] = field(default_factory=dict)
    claimed: set[TargetId] = field(default_factory=set)
    story: list[tuple[str, tuple[TargetId, ...]]] = field(default_factory=list)
    _known: dict[TargetId, Target] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def doubtful(self) -> set[TargetId]:
        """Claimed, not given back and not settled."""
        return self.claimed - set(self.settled)

    @property
    def groups(self) -> list[int]:
        """How many outcomes each commit held."""
        return [len(targets) for call, targets in self.story if call == "record"]

    def add(self, drafts: Iterable[Draft]) -> None:
        with self._alone():
            self.drafts.extend(drafts)

    def found(self) -> int:
        with self._alone():
            return len({(draft.cluster, draft.seen.uid) for draft in self.drafts})

    def claim(
        self, cluster: str, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        with self._alone():
            self.on_claim()
            end = math.inf if last is None else last
            mine = [one for one in self.pending if one.cluster == cluster and after < one.id <= end]
            chunk = mine[:limit]
            taken = {target.id for target in chunk}
            self.pending = [target for target in self.pending if target.id not in taken]
            self.claimed |= taken
            self._known |= {target.id: target for target in chunk}
            self._tell("claim", chunk)
            return chunk

    def release(self, targets: Iterable[Target]) -> None:
        with self._alone():
            given_back = list(targets)
            assert {target.id for target in given_back} <= self.doubtful
            self.claimed -= {target.id for target in given_back}
            self.pending.extend(given_back)
            self._tell("release", given_back)

    def in_doubt(self, cluster: str, after: int, limit: int) -> Sequence[Target]:
        with self._alone():
            numbers = sorted(number for number in self.doubtful if number > after)
            found = [self._known[number] for number in numbers]
            return [target for target in found if target.cluster == cluster][:limit]

    def record(self, settlements: Iterable[Settlement]) -> None:
        with self._alone():
            self.on_record()
            group = list(settlements)
            for settlement in group:
                assert settlement.target in self.doubtful, "not claimed, or settled before"
                self.settled[settlement.target] = settlement
            self.story.append(("record", tuple(settlement.target for settlement in group)))

    def _tell(self, call: str, targets: Sequence[Target]) -> None:
        self.story.append((call, tuple(target.id for target in targets)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        assert self._turn.acquire(blocking=False), "calls of the journal overlap"
        try:
            yield
        finally:
            self._turn.release()
