"""A run's orders to its couriers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from fleetpatch.model.change import FIELD_MANAGER, Change, Options, reads_whole
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.backoff import Backoff
from fleetpatch.rules.settling import OnDrift


@dataclass(frozen=True, slots=True)
class Orders:
    """How each target of a run is to be treated; the same for all of them.

    `matches` tells whether a read object is still selected by the blocks that selected the target.
    `guarded` sends the resourceVersion (`guards.conflicts: version`), else the uid alone; a patch
    that must not be done twice carries the version in any case.
    After `attempts`, or `deadline` seconds from its first request on, a target is given up.
    `managers` are the field managers that the server may note for our writes.
    `read_only` settles by reading what earlier processes left in doubt, and sends nothing.
    `release` is the server's ("1.20") where it matters and is known.
    """

    change: Change
    matches: Callable[[Target, Seen], bool]
    on_drift: OnDrift = OnDrift.SKIP
    guarded: bool = True
    attempts: int = 6
    deadline: float = inf
    backoff: Backoff = field(default_factory=Backoff)
    retried: frozenset[int] = frozenset({408, 425, 429, 503, 504})
    dry_run: bool = False
    read_only: bool = False
    options: Options = field(default_factory=Options)
    release: str = ""
    managers: frozenset[str] = frozenset({FIELD_MANAGER})

    @property
    def whole(self) -> bool:
        """Whether whole objects are read, or metadata alone."""
        return reads_whole(self.change)
