"""Which charts a page has, and what they show of a timeline.

Points are the buckets of the timeline, so a night between two sessions takes no space; the line is
interrupted there.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, NamedTuple

from fleetpatch.model.answer import Silence
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.timeline import Bucket, Timeline, narrowed
from fleetpatch.report.document import words
from fleetpatch.report.document.svg import NARROW, WIDE, Series, line_chart

_DAY: Final = 86_400
_NARROW_POINTS: Final = 80
_LABELS: Final = {WIDE: 6, NARROW: 3}
_COLOURED: Final = frozenset(
    {"200", "201", "403", "409", "422", "429", "500", "503", "504", words.OTHERS}
)


class Key(NamedTuple):
    """An entry of the legend of a chart."""

    name: str
    style: str


class Chart(NamedTuple):
    """One figure: its SVG for wide and narrow screens, and the same in words."""

    id: str
    title: str
    text: str
    legend: Sequence[Key]
    wide: str
    narrow: str


class _Line(NamedTuple):
    """One line of a chart: what it shows of a bucket; None interrupts it."""

    name: str
    style: str
    value: Callable[[Bucket], float | None]


class _Design(NamedTuple):
    id: str
    title: str
    text: str
    lines: Sequence[_Line]
    unit: Callable[[float], str] = words.figure
    stacked: bool = True
    logarithmic: bool = False


def charts_of(timeline: Timeline) -> list[Chart]:
    """Return the charts of a timeline; none if nothing was recorded."""
    designs = [_rates, _in_flight, _latency, _answers, _limits, _retries] if timeline else []
    return [_drawn(timeline, one) for one in (make(timeline) for make in designs) if one.lines]


def _rates(timeline: Timeline) -> _Design:
    ended = timeline.total.ended
    shown = [one.value for one in Outcome if ended.get(one.value)]
    lines = [_Line(one, one, _per_second("ended", one)) for one in shown]
    return _Design("rate", "Objects a second", words.rates(timeline), lines)


def _in_flight(timeline: Timeline) -> _Design:
    lines = [
        _Line("allowed by the pace", "allowed", lambda one: one.per_second(one.allowed)),
        _Line("in flight", "flight", lambda one: one.per_second(one.in_flight)),
    ]
    in_words = words.in_flight(timeline)
    return _Design("flight", "Requests in flight", in_words, lines, stacked=False)


def _latency(timeline: Timeline) -> _Design:
    found = [("p99", 0.99), ("p95", 0.95), ("p50", 0.5)] if timeline.total.durations else []
    return _Design(
        "latency",
        "Latency of a PATCH",
        words.latency(timeline),
        [_Line(name, name, _latency_within(share)) for name, share in found],
        words.latency_figure,
        stacked=False,
        logarithmic=True,
    )


def _answers(timeline: Timeline) -> _Design:
    names = words.statuses_of(timeline)
    lines = [_Line(name, _style_of(name), _answered(name, names)) for name in names]
    return _Design("answers", "Answers a second, by status", words.answers(timeline), lines)


def _limits(timeline: Timeline) -> _Design:
    limits = timeline.total.limits
    found = [(one, name) for one, name in words.CAUSES.items() if one in limits]
    return _Design(
        "limits",
        "What limited the pace",
        words.limits(timeline),
        [_Line(name, f"cause-{one.value}", _limited(one.value)) for one, name in found],
        words.percent,
    )


def _retries(timeline: Timeline) -> _Design:
    retries = timeline.total.retries
    found = [(one, name) for one, name in words.VERDICTS.items() if one in retries]
    lines = [
        _Line(name, f"verdict-{_slug(one)}", _per_second("retries", one)) for one, name in found
    ]
    return _Design("retries-chart", "Retries a second", words.retries(timeline), lines)


def _per_second(counts: str, name: str) -> Callable[[Bucket], float | None]:
    return lambda bucket: bucket.per_second(getattr(bucket, counts).get(name, 0))


def _latency_within(share: float) -> Callable[[Bucket], float | None]:
    return lambda bucket: bucket.latency(share)


def _answered(name: str, names: list[str]) -> Callable[[Bucket], float | None]:
    return lambda bucket: bucket.per_second(words.count_of(bucket.answers, name, names))


def _limited(cause: str) -> Callable[[Bucket], float | None]:
    def share(bucket: Bucket) -> float:
        seconds = sum(bucket.limits.values())
        return bucket.limits.get(cause, 0.0) / seconds if seconds else 0.0

    return share


def _slug(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _style_of(status: str) -> str:
    """Return the class of a status; never made of a text from outside."""
    if status in _COLOURED:
        return f"status-{status}"
    return "silence" if status in set(Silence) else "status-other"


def _drawn(timeline: Timeline, design: _Design) -> Chart:
    drawn = []
    for size, points in ((WIDE, len(timeline.buckets)), (NARROW, _NARROW_POINTS)):
        moments, buckets = _points(narrowed(timeline, points), stacked=design.stacked)
        lines = [
            Series(
                one.name,
                one.style,
                [None if bucket is None else one.value(bucket) for bucket in buckets],
            )
            for one in design.lines
        ]
        drawn.append(
            line_chart(
                lines,
                _labels(moments, _LABELS[size]),
                size,
                describedby=f"{design.id}-words",
                unit=design.unit,
                stacked=design.stacked,
                logarithmic=design.logarithmic,
            )
        )
    legend = [Key(one.name, one.style) for one in design.lines]
    return Chart(design.id, design.title, design.text, legend, *drawn)


def _points(timeline: Timeline, *, stacked: bool) -> tuple[list[int], list[Bucket | None]]:
    """Return the beginnings and the buckets, with an empty point between two sessions."""
    moments: list[int] = []
    buckets: list[Bucket | None] = []
    for stretch in _stretches(timeline):
        if moments:
            moments.append(moments[-1])
            # An area goes down to zero, since pygal joins the points on both sides of a gap.
            buckets.append(Bucket() if stacked else None)
        # One point has no line.
        for start, bucket in stretch if len(stretch) > 1 else stretch * 2:
            moments.append(start)
            buckets.append(bucket)
    return moments, buckets


def _stretches(timeline: Timeline) -> Iterator[list[tuple[int, Bucket]]]:
    """Split the buckets where more than one is missing."""
    stretch: list[tuple[int, Bucket]] = []
    for start, bucket in timeline.buckets.items():
        if stretch and start - stretch[-1][0] > 2 * timeline.width:
            yield stretch
            stretch = []
        stretch.append((start, bucket))
    yield stretch


def _labels(moments: Sequence[int], count: int) -> list[str]:
    """Return a label for each moment, all but `count` of them empty."""
    length, shown = moments[-1] - moments[0], min(count, len(moments))
    text = "%d %b %H:%M" if length > _DAY else "%H:%M:%S" if length < count * 60 else "%H:%M"
    labels = ["" for _ in moments]
    positions = [int((number + 0.5) * len(moments) / shown) for number in range(shown)]
    for position in positions:
        labels[position] = f"{datetime.fromtimestamp(moments[position], UTC):{text}}"
    # pygal finds a label by its text: of two equal ones only the first is shown.
    for one, other in pairwise(positions):
        if labels[one] == labels[other]:
            labels[other] = ""
    return labels
