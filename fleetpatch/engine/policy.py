"""A run's orders to its couriers.

What a passage has of its patcher: where it goes, how, and when it has to stop.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from fleetpatch.engine.breaker import OutageTracker
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.change import FIELD_MANAGER, Change, PatchOptions, reads_whole
from fleetpatch.model.ports import Clock, Cluster
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.settlement import OnDrift
from fleetpatch.rules.running.backoff import Backoff


@dataclass(frozen=True, slots=True)
class PatchPolicy:
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
    options: PatchOptions = field(default_factory=PatchOptions)
    release: str = ""
    managers: frozenset[str] = frozenset({FIELD_MANAGER})

    @property
    def whole(self) -> bool:
        """Whether whole objects are read, or metadata alone."""
        return reads_whole(self.change)


class PatchContext(Protocol):
    """What a passage has of its patcher."""

    @property
    def cluster(self) -> Cluster:
        """Where it goes."""
        ...

    @property
    def orders(self) -> PatchPolicy:
        """How the target is to be treated."""
        ...

    @property
    def pacer(self) -> Pacer:
        """What every request passes."""
        ...

    @property
    def halt(self) -> Shutdown:
        """What tells when to come to rest."""
        ...

    @property
    def outage(self) -> OutageTracker:
        """When the cluster was last not to be reached."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...
