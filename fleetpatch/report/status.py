"""The status of one run: who carries it out, how it gets on, and what ended how (`status RUN`)."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.live import Live, ReasonSample, Status
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.run import Summary, Tally, as_json
from fleetpatch.model.steering import PaceInForce, pace_in_force
from fleetpatch.model.text import clean
from fleetpatch.model.times import rfc3339
from fleetpatch.report.summary import foot_lines, head_lines, outcome_lines
from fleetpatch.report.table import table
from fleetpatch.report.wording import (
    command,
    duration,
    moment,
    number,
    rate,
    several,
    steered,
    window_text,
)

PLACES_SHOWN: Final = 10
"""Rows of a table of places; the others share the last one."""
REASONS_SHOWN: Final = 5
STEERING_SHOWN: Final = 3

_LATE: Final = 5.0
"""Seconds without a heartbeat after which a reader should know it."""

_AS_PLANNED: Final = frozenset({Outcome.APPLIED, Outcome.UNCHANGED})
"""Outcomes whose reasons need no sample: there is nothing to look at."""


def status_lines(status: Status, now: float, *, log_file: str | None = None) -> Iterator[str]:
    """Yield the status as text; `now` is in seconds since the epoch."""
    summary = status.summary
    is_live = status.live is not None
    yield from head_lines(summary, is_live=is_live)
    yield from _facts(status, now)
    yield ""
    yield from outcome_lines(summary)
    yield from _places("CLUSTER", summary.by_cluster)
    yield from _places("KIND", summary.by_kind)
    yield from _places("NAMESPACE", summary.by_namespace)
    yield from _reasons(status)
    yield from foot_lines(summary, log_file=log_file, is_live=is_live)


def _facts(status: Status, now: float) -> Iterator[str]:
    """Yield who carries the run out, its pace, waves and window, a line each."""
    summary, live = status.summary, status.live
    if status.holder is not None:
        late = f", silent for {duration(status.age)}" if status.age > _LATE else ""
        yield f"Held by:  {status.holder}{late}"
    if live is not None:
        yield from _live(live)
    elif summary.rate:
        yield f"Pace:     {rate(summary.rate)} overall"
    if in_force := _in_force(pace_in_force(summary.steering)):
        yield f"Set pace: {in_force}"
    for one in summary.steering[-STEERING_SHOWN:]:
        yield f"Steered:  {steered(one)} ({clean(one.at)})"
    yield from _wave(summary, live)
    if summary.window is not None:
        yield f"Window:   {window_text(summary.window)}"
    if live is not None:
        yield f"Ends:     {_end(live, now)}"


def _live(live: Live) -> Iterator[str]:
    yield (
        f"Pace:     {rate(live.rate_now)} now, {rate(live.rate_overall)} overall,"
        f" {number(live.in_flight)} in flight"
    )
    if live.workers:
        loads = (
            f"{clean(name)} ({several(one.clusters, 'cluster')}, {number(one.in_flight)} in flight)"
            for name, one in sorted(live.workers.items())
        )
        yield f"Workers:  {', '.join(loads)}"
    if live.waits_for:
        yield f"Waits:    {clean(live.waits_for)}"
    for cluster, words in live.limited_by.items():
        yield f"Limit:    {clean(cluster)}: {clean(words)}"


def _in_force(pace: PaceInForce) -> str:
    parts = [] if pace.rate is None else [f"{rate(pace.rate)} at most"]
    if pace.concurrency is not None:
        parts.append(f"{number(pace.concurrency)} in flight at most")
    return f"{', '.join(parts)}, in place of the plan's" if parts else ""


def _wave(summary: Summary, live: Live | None) -> Iterator[str]:
    if live is not None and (wave := live.wave) is not None:
        text = f"{wave.number} of {wave.of}"
        if wave.starts_at is not None:
            text += f" begins at {moment(wave.starts_at)}"
        elif wave.next_at is not None:
            text += f"; the next begins at about {moment(wave.next_at)}"
        yield f"Wave:     {text}"
    elif summary.waves:
        done = sum(not wave.open for wave in summary.waves)
        yield f"Wave:     {number(done)} of {number(len(summary.waves))} done"


def _end(live: Live, now: float) -> str:
    if live.ends_at is None:
        return "not known yet" if not live.rate_overall else "not known"
    return f"at about {moment(live.ends_at)} (in {duration(max(0.0, live.ends_at - now))})"


def _places(header: str, tallies: Mapping[str, Tally]) -> Iterator[str]:
    """Yield a table of the places with most to look at, where there is more than one."""
    if len(tallies) < 2:  # noqa: PLR2004 # one has the counts of the run
        return
    ordered = sorted(tallies.items(), key=lambda one: (-one[1].failed, -one[1].open, -one[1].total))
    # A single further place is named, since "and 1 more" would take the same space.
    shown = len(ordered) if len(ordered) == PLACES_SHOWN + 1 else PLACES_SHOWN
    rows = [_row(name, tally) for name, tally in ordered[:shown]]
    if rest := ordered[shown:]:
        rows.append(_row(f"and {len(rest)} more", sum((tally for _, tally in rest), Tally())))
    yield ""
    yield from table((header, "APPLIED", "UNCHANGED", "SKIPPED", "FAILED", "PENDING"), rows)


def _row(name: str, tally: Tally) -> tuple[str, int, int, int, int, int]:
    return (name, tally.applied, tally.unchanged, tally.skipped, tally.failed, tally.open)


def top_reasons(summary: Summary) -> list[tuple[Reason, int]]:
    """Return the reasons that a person may want to look at: failures first, then by number."""
    found = [
        (reason, count)
        for outcome, reasons in summary.reasons.items()
        if outcome not in _AS_PLANNED
        for reason, count in reasons.items()
    ]
    return sorted(found, key=lambda one: (OUTCOME_OF[one[0]] is not Outcome.FAILED, -one[1]))


def _reasons(status: Status) -> Iterator[str]:
    summary = status.summary
    reasons = top_reasons(summary)[:REASONS_SHOWN]
    if reasons:
        yield ""
        yield "Reasons, each with one target and the command that continues them:"
    for reason, count in reasons:
        yield f"  {OUTCOME_OF[reason]} {reason}: {number(count)}"
        if sample := status.samples.get(reason):
            detail = f": {clean(sample.detail)}" if sample.detail else ""
            yield f"    {clean(str(sample))}{detail}"
        yield f"    {go_on_with(summary, reason)}"


def go_on_with(summary: Summary, reason: Reason) -> str:
    """Return the command that retries the targets with a reason, or lists them."""
    words = summary.words
    if OUTCOME_OF[reason] is Outcome.FAILED:
        return command("resume", *words, "--failed", "--reason", reason)
    return command("targets", *words, "--reason", reason)


def status_as_json(status: Status) -> dict[str, Json]:
    """Render the object that `status RUN -o json` prints; an interface (docs/reference.md)."""
    summary, live, holder = status.summary, status.live, status.holder
    return as_json(summary) | {
        "holder": holder
        and {
            "host": holder.host,
            "pid": holder.pid,
            "user": holder.user,
            "since": holder.since,
            "silentSeconds": round(status.age, 1),
        },
        "rate": {
            "now": round(live.rate_now, 1) if live else 0.0,
            "overall": round(live.rate_overall if live else summary.rate, 1),
        },
        "inFlight": live.in_flight if live else 0,
        "limitedBy": dict(live.limited_by) if live else {},
        "workers": _workers_as_json(live),
        "waitsFor": live.waits_for if live else "",
        "wave": _wave_as_json(live),
        "endsAt": rfc3339(live.ends_at) if live else None,
        "topReasons": [_reason_as_json(status, *one) for one in top_reasons(summary)],
    }


def _workers_as_json(live: Live | None) -> Json:
    loads = live.workers if live else {}
    return {
        name: {"clusters": load.clusters, "inFlight": load.in_flight}
        for name, load in loads.items()
    }


def _wave_as_json(live: Live | None) -> Json:
    if live is None or (wave := live.wave) is None:
        return None
    return {
        "number": wave.number,
        "of": wave.of,
        "startsAt": rfc3339(wave.starts_at),
        "nextAt": rfc3339(wave.next_at),
    }


def _reason_as_json(status: Status, reason: Reason, count: int) -> dict[str, Json]:
    sample: ReasonSample | None = status.samples.get(reason)
    return {
        "reason": reason.value,
        "outcome": OUTCOME_OF[reason].value,
        "count": count,
        "sample": sample and msgspec.to_builtins(sample),
        "command": go_on_with(status.summary, reason),
    }
