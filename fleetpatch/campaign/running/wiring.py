"""Builds from a plan what the engine needs: policy, pacer, Lease holder and window guard."""

import math
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from math import inf

from fleetpatch.campaign.change import change_of
from fleetpatch.campaign.settings import Settings, Stop
from fleetpatch.engine import events
from fleetpatch.engine.lease import LeaseConfig, LeaseHolder
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.pipeline import RunLane
from fleetpatch.engine.policy import PatchPolicy, Recheck
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.window import WindowGuard
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.change import FIELD_MANAGER
from fleetpatch.model.pace import Ceilings, Pace
from fleetpatch.model.plan.lease import LockSection
from fleetpatch.model.plan.schema import PaceSection, Plan
from fleetpatch.model.ports import Clock, Events
from fleetpatch.model.providers.tables import PROVIDERS
from fleetpatch.model.run import RunInfo
from fleetpatch.model.steering import PaceInForce
from fleetpatch.model.target import Seen, Target
from fleetpatch.model.text import clean
from fleetpatch.report.pace import limit_in_words
from fleetpatch.rules.answers.steps import OnDrift
from fleetpatch.rules.patching.merging import UNKNOWN, ServerMerging
from fleetpatch.rules.running.backoff import Backoff


def patch_policy_of(
    info: RunInfo,
    plan: Plan,
    cluster: str,
    *,
    merging: ServerMerging = UNKNOWN,
    read_only: bool = False,
    recheck: Recheck | None = None,
) -> PatchPolicy:
    """Return the policy for the targets of a run in `cluster`, whose server merges by `merging`."""
    selectors = [block.selector for block in plan.targets]

    def matches(target: Target, seen: Seen) -> bool:
        # An undo restores what was changed, even if the selector does not match it any more. A
        # dependent has no blocks: it was not selected itself.
        return (
            not target.blocks
            or bool(info.undo_of)
            or any(selectors[block].matches(seen.labels) for block in target.blocks)
        )

    return PatchPolicy(
        change=change_of(info, plan),
        matches=matches,
        on_drift=OnDrift(plan.guards.on_drift),
        # An undo must never overwrite a later change, whatever the plan of the run allowed.
        guarded=bool(info.undo_of) or plan.guards.conflicts == "version",
        attempts=plan.retry.attempts,
        deadline=plan.retry.deadline or inf,
        backoff=Backoff(cap=plan.retry.max_delay),
        retried=plan.retried(cluster),
        dry_run=info.dry_run,
        read_only=read_only,
        options=plan.patch.options(),
        merging=merging,
        managers=_managers(plan, cluster),
        recheck=recheck,
    )


def _managers(plan: Plan, cluster: str) -> frozenset[str]:
    """Return the field managers that a server may record for our writes.

    A server that takes no `fieldManager` for a kind records the client's name instead.
    """
    named = plan.patch.field_manager
    providers = [PROVIDERS[ref.provider] for ref in plan.fleet if ref.name == cluster]
    takes_name = all(provider.takes_field_manager for provider in providers)
    return frozenset({named} if takes_name else {named, FIELD_MANAGER})


def ceilings_of(pace: PaceSection, in_force: PaceInForce) -> Ceilings:
    """Return the ceilings of each cluster: those that people have set, else the plan's.

    The default burst is what the rate allows in a second.
    """
    rate = in_force.rate or pace.rate
    burst = max(1, math.ceil(rate)) if rate else 1
    return Ceilings(
        rate,
        # The plan's burst is for the plan's rate; with a lower one it would exceed it for long.
        min(burst, pace.burst) if pace.burst and in_force.rate else pace.burst or burst,
        in_force.concurrency or pace.in_flight,
        pace.adaptive,
    )


def pacer_of(
    plan: Plan, clock: Clock, ceilings: Ceilings, on_change: Callable[[Pace, Pace], None]
) -> Pacer:
    """Create the pacer of one cluster; see `Pacer` for `on_change`."""
    return Pacer(clock, ceilings, longest_pause=plan.retry.max_delay, on_change=on_change)


def pace_shown(
    settings: Settings, log: Events, in_force: Callable[[], PaceInForce] = PaceInForce
) -> Callable[[str, Pace, Pace], None]:
    """Return what logs a change of a cluster's pace as `pace.changed`, and shows it.

    `in_force` returns the pace that people have set.
    """

    def show(cluster: str, old: Pace, new: Pace) -> None:
        settings.progress.limited(cluster, limit_in_words(new, in_force()))
        events.pace_changed(log, cluster, old, new, settings.clock.monotonic())

    return show


def set_pace(lanes: Sequence[RunLane], pace: PaceSection, in_force: PaceInForce) -> None:
    """Give lanes that run the ceilings that are in force now, and the workers to reach them."""
    ceilings = ceilings_of(pace, in_force)
    for lane in lanes:
        lane.set_ceilings(ceilings)


def lease_holder_of(
    lock: LockSection, fleet: Sequence[ApiServer], clock: Clock, log: Events, stop: Stop
) -> LeaseHolder:
    """Create the holder of the Lease that `lock` names, in the fleet's first cluster.

    A lost Lease stops the run, and a stop ends the wait for the Lease.
    """
    shutdown = Shutdown(clock)
    stop.listen(lambda _cause: shutdown.request())
    # A Lease's duration is in whole seconds.
    config = LeaseConfig(
        f"{lock.lease} in cluster {fleet[0].name}", _identity(), int(lock.duration)
    )
    # One Lease excludes other processes from the whole fleet, so it is only in one cluster.
    leases = fleet[0].lease(lock.namespace, lock.name)
    return LeaseHolder(config, leases, clock, log, shutdown, stop.request)


@asynccontextmanager
async def renewing(lease_holder: LeaseHolder | None) -> AsyncIterator[None]:
    """Renew the Lease while the block runs; None if the plan needs none, or it was not acquired.

    If the run was stopped before the Lease was acquired, the block runs without it, and its lanes
    send nothing, since they are stopped.
    """
    if lease_holder is None:
        yield
        return
    async with lease_holder.renewing():
        yield


def _identity() -> str:
    """Return `host_pid_random`, unique even if two hosts have the same name."""
    return clean(f"{os.uname().nodename}_{os.getpid()}_{secrets.token_hex(4)}")


def window_guard_of(plan: Plan, settings: Settings, stop: Stop) -> WindowGuard | None:
    """Return the guard of the plan's window, which stops the run when it closes, or None."""
    window = plan.window
    return None if window is None else WindowGuard(window.window(), settings.clock, stop.request)
