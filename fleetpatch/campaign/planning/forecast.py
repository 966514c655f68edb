"""Forecasts how a planned run is carried out, from its plan and the targets in its run file."""

import shlex
from collections.abc import Mapping, Sequence

from fleetpatch.campaign.integrity import plan_of
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.plan.waves import CheckSection, WavesSection
from fleetpatch.model.run import Summary
from fleetpatch.model.units import Amount
from fleetpatch.report.forecast import ASSUMED_RATE, Forecast, WaveForecast
from fleetpatch.rules.running.eta import expected_end


def forecast_of(journal: RunFile, summary: Summary, now: float) -> Forecast:
    """Forecast a sealed run that begins at `now`, in seconds since the epoch.

    `summary` is that of the run, with the state of its plan's window at that moment.

    An undo has no waves, no window and no limits, and a dry run has no window. Neither is verified.
    """
    plan, info = plan_of(journal), journal.info
    is_undo = bool(info.undo_of)
    limits = None if is_undo else plan.limits
    verify = None if is_undo or info.dry_run else plan.verify
    open_targets = {name: one.open for name, one in summary.by_cluster.items()}
    # All waves, with the targets of each cluster.
    sizes = queries.wave_sizes(journal) or [open_targets]
    window = plan.window.window() if plan.window and not (is_undo or info.dry_run) else None
    waves = _waves(plan.waves, sizes) if journal.waves and plan.waves else None
    # Clusters are patched concurrently, so the largest part of a wave decides.
    largest = [max(size.values(), default=0) for size in sizes]
    rate = plan.pace.rate or ASSUMED_RATE
    ends_at = expected_end(
        now,
        rate,
        largest,
        pause=waves.pause if waves else 0.0,
        by_hand=waves.by_hand if waves else False,
        window=window,
    )
    return Forecast(
        rate=plan.pace.rate,
        concurrency=plan.pace.in_flight,
        adaptive=plan.pace.adaptive,
        sending=sum(largest) / rate,
        waves=waves,
        window=summary.window if window else None,
        ends_at=ends_at,
        max_failures="" if limits is None else _amount(limits.max_failures),
        deadline=None if limits is None else limits.deadline,
        verify_after=verify.after if verify else None,
        max_reverted=_amount(verify.max_reverted) if verify else "",
    )


def _amount(amount: Amount | None) -> str:
    return "" if amount is None else str(amount)


def _waves(section: WavesSection, sizes: Sequence[Mapping[str, int]]) -> WaveForecast:
    return WaveForecast(
        sizes=tuple(sum(size.values()) for size in sizes),
        pause=section.pause,
        by_hand=section.promote == "manual",
        check=_described(section.check) if section.check else "",
    )


def _described(check: CheckSection) -> str:
    if check.command is not None:
        return shlex.join(check.command)
    kinds = ", ".join(check.kinds) or "the targets"
    return f"{kinds} have the condition {check.condition}"
