"""Whether a run may send at a moment, until when, and when it may again.

An opening stands open for `lasts` seconds of real time from every moment of its schedule. A local
time that a zone skips opens at the first moment after the gap; one that comes twice opens the first
time only. Openings that overlap or adjoin are one. Blackouts are taken out of them: all that lies
between the first moment of their first day and the last moment of their last.

Everything here is a function of the window and a moment, in seconds since the epoch, and nothing
is kept. A clock that was stepped, or a machine that was asleep, is the caller's business: it asks
again before it acts, rather than trust an answer from before.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from fleetpatch.model.window import Days, Opening, Window

_DAY: Final = 86_400.0

MAX_SEARCH_DAYS: Final = 41 * 366
"""Days in which an opening is looked for: 29 February on a given weekday may be 40 years away."""

MAX_LOOKAHEAD: Final = 8 * _DAY
"""Seconds for which a closing is looked for; who asks again later learns of a later one."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a window says at a moment; all times are seconds since the epoch.

    `closes_at` is None while the window is closed. From `cutoff` on, which may be past, nothing new
    is sent; it is at most `MAX_LOOKAHEAD` ahead. `opens_at` is when the window opens next, after
    now and after `closes_at`; None where it never does, or stays open for all of `MAX_LOOKAHEAD`.
    """

    now: float
    closes_at: float | None
    cutoff: float | None
    opens_at: float | None

    @property
    def may_send(self) -> bool:
        """Whether it is open, and not about to close."""
        return self.cutoff is not None and self.now < self.cutoff


def outlook(window: Window, now: float) -> Outlook:
    """Look at the window from the moment `now`."""
    closes, opens, horizon = now, None, now + MAX_LOOKAHEAD + window.drain
    for span in _spans(window, now):
        if span.opens > closes:
            opens = span.opens
            break
        closes = max(closes, span.closes)
        if closes >= horizon:
            closes = horizon
            break
    if closes == now:
        return Outlook(now, None, None, opens)
    return Outlook(now, closes, closes - window.drain, opens)


@dataclass(frozen=True, slots=True)
class _Span:
    """Seconds since the epoch; `closes` is not part of it."""

    opens: float
    closes: float


_OPENS: Final = attrgetter("opens")


def _spans(window: Window, now: float) -> Iterator[_Span]:
    """When it is open from `now` on, in pieces that may overlap.

    The openings come in order. Of two that a blackout cuts, both parts of the first come before
    those of the second; the gap is the same, so that whoever sees it first is not misled.
    """
    dark = sorted((_blackout(days, window.zone) for days in window.blackouts), key=_OPENS)
    openings = merge(*(_occurrences(opening, now) for opening in window.openings), key=_OPENS)
    return chain.from_iterable(_lit(span, dark) for span in openings)


def _occurrences(opening: Opening, now: float) -> Iterator[_Span]:
    """What it opens that is not over by `now`, in order."""
    # Earlier than the sum says: a zone's calendar is up to a day off UTC's, and may leave one out.
    since = datetime.fromtimestamp(now - opening.lasts, UTC).date() - timedelta(days=2)
    for day in _days_from(since):
        if opening.schedule.falls_on(day):
            for time in opening.schedule.times:
                opens = _reached(datetime.combine(day, time), opening.zone)
                if opens + opening.lasts > now:
                    yield _Span(opens, opens + opening.lasts)


def _days_from(day: date) -> Iterator[date]:
    first = day.toordinal()
    return map(date.fromordinal, range(first, min(first + MAX_SEARCH_DAYS, date.max.toordinal())))


def _blackout(days: Days, zone: ZoneInfo) -> _Span:
    after = days.last + timedelta(days=1)
    return _Span(
        _reached(datetime.combine(days.first, datetime.min.time()), zone),
        _reached(datetime.combine(after, datetime.min.time()), zone, for_good=True),
    )


def _lit(span: _Span, dark: Sequence[_Span]) -> Iterator[_Span]:
    """What is left of `span` outside of the blackouts."""
    opens = span.opens
    for blackout in dark:
        if blackout.closes <= opens:
            continue
        if blackout.opens >= span.closes:
            break
        if blackout.opens > opens:
            yield _Span(opens, blackout.opens)
        opens = blackout.closes
    if opens < span.closes:
        yield _Span(opens, span.closes)


def _reached(local: datetime, zone: ZoneInfo, *, for_good: bool = False) -> float:
    """When the zone's clocks first show `local` or later; the last such time if `for_good`."""
    earlier, later = (int(local.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if _shown(earlier, zone) == local:
        return float(later if for_good else earlier)
    # Skipped: of the two readings of such a time, the first lies after the gap, the second before.
    seconds = range(later, earlier)
    return float(later + bisect_left(seconds, local, key=lambda one: _shown(one, zone)))


def _shown(moment: float, zone: ZoneInfo) -> datetime:
    """What the zone's clocks show at a moment."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
