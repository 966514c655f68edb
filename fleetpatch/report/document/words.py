"""What the charts of a report show, in words: for Markdown, and beside each chart."""

from collections.abc import Mapping
from typing import Final

from fleetpatch.model.pace import PaceCause
from fleetpatch.model.timeline import Timeline
from fleetpatch.report.wording import duration, number
from fleetpatch.rules.answers.verdicts import Verdict

CAUSES: Final[Mapping[PaceCause, str]] = {
    PaceCause.STARTING: "still rising",
    PaceCause.LATENCY: "with more the server would only answer slower",
    PaceCause.REFUSALS: "the server refuses more",
    PaceCause.RETRY_AFTER: "the server accepts nearly nothing",
    PaceCause.FAILING: "no request is answered, or all fail",
    PaceCause.BACKOFF: "refused targets wait until they may be sent again",
    PaceCause.RATE: "the ceiling of the rate",
    PaceCause.CONCURRENCY: "the ceiling of requests in flight",
    PaceCause.WORK: "nothing",
}
"""What each cause of a pace means."""

VERDICTS: Final[Mapping[str, str]] = {
    Verdict.RETRY: "refused for now",
    Verdict.IN_DOUBT: "in doubt",
    Verdict.CONFLICT: "conflict",
    Verdict.RENEW: "credentials renewed",
}
"""What each verdict on an answer means that leads to another attempt."""

OTHERS: Final = "other"
_STATUSES_SHOWN: Final = 6
_TWO_DIGITS: Final = 10


def rates(timeline: Timeline) -> str:
    """Say how many objects ended a second."""
    total = timeline.total
    ended = sum(total.ended.values())
    peak = max(one.per_second(sum(one.ended.values())) for one in timeline.buckets.values())
    return (
        f"{number(ended)} objects ended in {duration(total.seconds)} of sending:"
        f" {figure(total.per_second(ended))} a second on average, {figure(peak)} at most."
    )


def in_flight(timeline: Timeline) -> str:
    """Say how many requests were in flight, and how many the pace allowed."""
    total = timeline.total
    return (
        f"{figure(total.per_second(total.in_flight))} requests in flight on average, {total.most}"
        f" at most; the pace allowed {figure(total.per_second(total.allowed))} on average."
    )


def latency(timeline: Timeline) -> str:
    """Say how long PATCHes took."""
    total = timeline.total
    half, most, nearly_all = (total.latency(share) for share in (0.5, 0.95, 0.99))
    if half is None or most is None or nearly_all is None:
        return "No PATCH was answered."
    return (
        f"Half of the PATCHes were answered within {latency_figure(half)}, 95 % within"
        f" {latency_figure(most)}, 99 % within {latency_figure(nearly_all)}."
    )


def answers(timeline: Timeline) -> str:
    """Say which statuses PATCHes were answered with."""
    found = timeline.total.answers
    names = statuses_of(timeline)
    counts = (f"{name}: {number(count_of(found, name, names))}" for name in names)
    return f"Answers to PATCHes, and PATCHes without one: {', '.join(counts)}."


def limits(timeline: Timeline) -> str:
    """Say what limited the pace, and for how much of the time."""
    found = timeline.total.limits
    seconds = sum(found.values())
    known = [(found[one.value] / seconds, words) for one, words in CAUSES.items() if one in found]
    shares = (f"{words}, {percent(share)}" for share, words in sorted(known, reverse=True))
    return f"As a share of the time: {'; '.join(shares)}."


def retries(timeline: Timeline) -> str:
    """Say why attempts were repeated."""
    found = timeline.total.retries
    counts = (f"{words}: {number(found[one])}" for one, words in VERDICTS.items() if one in found)
    return f"Attempts that were repeated, by what the answer meant: {', '.join(counts)}."


def statuses_of(timeline: Timeline) -> list[str]:
    """Return the most frequent statuses in their order, and `other` where there are more."""
    found = timeline.total.answers
    by_count = sorted(found, key=lambda name: -found[name])
    names = sorted(by_count[:_STATUSES_SHOWN])
    return [*names, OTHERS] if len(by_count) > _STATUSES_SHOWN else names


def count_of(found: Mapping[str, int], name: str, names: list[str]) -> int:
    """Return the number of answers with a status, one of `statuses_of`."""
    if name == OTHERS:
        return sum(count for status, count in found.items() if status not in names)
    return found.get(name, 0)


def figure(value: float) -> str:
    """Return a number with as many digits as matter."""
    if value >= _TWO_DIGITS or value == round(value):
        return number(value)
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def percent(share: float) -> str:
    """Return a share as `12 %`."""
    return f"{share * 100:.0f} %"


def latency_figure(seconds: float) -> str:
    """Return a latency: `12 ms`, `1.5 s`."""
    if seconds < 1.0:
        return f"{figure(seconds * 1000)} ms"
    return f"{figure(round(seconds, 1))} s"
