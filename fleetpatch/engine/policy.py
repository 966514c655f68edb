"""The policy by which the targets of a run are patched, and the objects that its attempts share."""

from collections.abc import Awaitable, Callable, Collection
from functools import cached_property
from math import inf
from typing import TypeAlias

import msgspec

from fleetpatch.engine.breaker import OutageTracker
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.change import (
    FIELD_MANAGER,
    Change,
    PatchOptions,
    Restoration,
    is_repeatable,
    reads_whole,
)
from fleetpatch.model.fields import Path
from fleetpatch.model.plan.retry import DEFAULT_STATUSES
from fleetpatch.model.ports import Clock, Evaluated, PatchedCluster
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.steps import OnDrift
from fleetpatch.rules.patching.computed import change_of_target
from fleetpatch.rules.patching.diff import uncertain_paths
from fleetpatch.rules.patching.merging import UNKNOWN, ServerMerging
from fleetpatch.rules.patching.patch_body import RequestBuilder
from fleetpatch.rules.running.backoff import Backoff

Recheck: TypeAlias = Callable[[Target, Seen], Awaitable[Evaluated]]
"""Evaluates `where` for an object of a target. Raises SurroundingsError."""


# `dict=True` is for the cached properties: the policy is asked for them at each target.
class PatchPolicy(msgspec.Struct, frozen=True, dict=True):
    """How the targets of a run are patched; the same for all of them.

    `matches` returns whether an object is still selected by the blocks that selected the target.
    `guarded` sends the resourceVersion (`guards.conflicts: version`), else the uid alone; a patch
    that must not be applied twice carries the version in any case.
    After `attempts`, or `deadline` seconds from its first PATCH, a target is given up.
    `retried` are the statuses after which a PATCH is sent again.
    `managers` are the field managers that the server may record for our writes.
    `read_only` settles by reading what earlier processes left in doubt, and sends nothing.
    `merging` is what is known of how the server merges.
    `recheck` asks the plan's `where` again; None if it has none.
    """

    change: Change
    matches: Callable[[Target, Seen], bool]
    on_drift: OnDrift = OnDrift.SKIP
    guarded: bool = True
    attempts: int = 6
    deadline: float = inf
    backoff: Backoff = msgspec.field(default_factory=Backoff)
    retried: frozenset[int] = frozenset(DEFAULT_STATUSES)
    dry_run: bool = False
    read_only: bool = False
    options: PatchOptions = msgspec.field(default_factory=PatchOptions)
    merging: ServerMerging = UNKNOWN
    managers: frozenset[str] = frozenset({FIELD_MANAGER})
    recheck: Recheck | None = None

    @cached_property
    def whole(self) -> bool:
        """Whether whole objects are read, or only their metadata."""
        return reads_whole(self.change)

    @property
    def reads_whole(self) -> bool:
        """Whether a read requests whole objects: for the change, or for `recheck`."""
        return self.whole or self.recheck is not None

    @cached_property
    def always_guarded(self) -> bool:
        """Whether each PATCH carries the version; one that must not be repeated always does."""
        return self.guarded or not is_repeatable(self.change)

    def uncertain_paths(self, target: Target) -> Collection[Path]:
        """Return the fields of the change of `target` that only the server knows how to merge."""
        if isinstance(self.change, Restoration):
            return ()
        own = change_of_target(self.change, target)
        return uncertain_paths(own, self.merging.rules(target.resource))

    @cached_property
    def requests(self) -> RequestBuilder:
        """The builder of the requests for all targets."""
        return RequestBuilder(self.change)


class PatchContext(msgspec.Struct, frozen=True):
    """What the attempts at all targets of one cluster share."""

    cluster: PatchedCluster
    policy: PatchPolicy
    pacer: Pacer
    shutdown: Shutdown
    clock: Clock
    outages: OutageTracker = msgspec.field(default_factory=OutageTracker)
