"""Whether a run may send at a moment, until when, and when it may send again.

An opening lasts `lasts` seconds of real time from every moment of its schedule. If a time zone
skips a local time, the opening begins at the first moment after the gap; if a local time occurs
twice, it begins at the first one only. Openings that overlap or adjoin are joined. Blackouts are
subtracted: everything from the first moment of their first day to the last moment of their last
day.

All functions take the window and a moment, in seconds since the epoch, and keep no state. The clock
may be set, and the machine may be suspended, so the caller asks again right before it acts.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from fleetpatch.model.window import Days, Opening, Window

_DAY: Final = 86_400.0

MAX_SEARCH_DAYS: Final = 41 * 366
"""Days that are searched for an opening: 29 February on a given weekday may be 40 years away."""

MAX_LOOKAHEAD: Final = 8 * _DAY
"""Seconds that are searched for a closing: more than a week, so that weekly openings are visible.

A window may never close, so the search needs an end. Callers ask again in time.
"""


class WindowStatus(msgspec.Struct, frozen=True):
    """The status of a window at the moment `now`; all times are in seconds since the epoch.

    - `closes_at`: when it closes; None while it is closed.
    - `cutoff`: from then on nothing new is sent; it may be past, and is at most `MAX_LOOKAHEAD`
      ahead. None while the window is closed.
    - `opens_at`: when it opens next, after `now` and after `closes_at`; None if it never does, or
      stays open for all of `MAX_LOOKAHEAD`.
    """

    now: float
    closes_at: float | None
    cutoff: float | None
    opens_at: float | None

    @property
    def may_send(self) -> bool:
        """Whether the window is open and not within its drain before the closing."""
        return self.cutoff is not None and self.now < self.cutoff


def window_status(window: Window, now: float) -> WindowStatus:
    """Evaluate the window at the moment `now`."""
    closes, opens, horizon = now, None, now + MAX_LOOKAHEAD + window.drain
    # The spans come in order and may overlap. Join those that reach the end so far; the first gap
    # is the closing, or, if `closes` is still `now`, the time until the window opens.
    for span in _spans(window, now):
        if span.opens > closes:
            opens = span.opens
            break
        closes = max(closes, span.closes)
        if closes >= horizon:
            closes = horizon
            break
    if closes == now:
        return WindowStatus(now, None, None, opens)
    return WindowStatus(now, closes, closes - window.drain, opens)


class _Span(msgspec.Struct, frozen=True):
    """A half-open interval in seconds since the epoch: `closes` does not belong to it."""

    opens: float
    closes: float


_OPENS: Final = attrgetter("opens")


def _spans(window: Window, now: float) -> Iterator[_Span]:
    """The spans in which the window is open from `now` on; they may overlap.

    The openings come in order. If a blackout cuts two overlapping openings, both parts of the first
    come before those of the second. The gap is the same in both, so `window_status` finds it.
    """
    blackouts = sorted((_blackout(days, window.zone) for days in window.blackouts), key=_OPENS)
    # `merge` is lazy: a schedule without an end is read only as far as it is needed.
    openings = merge(*(_occurrences(opening, now) for opening in window.openings), key=_OPENS)
    return chain.from_iterable(_outside(span, blackouts) for span in openings)


def _occurrences(opening: Opening, now: float) -> Iterator[_Span]:
    """The occurrences of an opening that have not ended at `now`, in order."""
    # Two days earlier than the difference: the calendar of a zone may be up to a day away from
    # UTC's, and may skip a day (Samoa, 30 December 2011).
    since = datetime.fromtimestamp(now - opening.lasts, UTC).date() - timedelta(days=2)
    for day in _days_from(since):
        if opening.schedule.falls_on(day):
            for time in opening.schedule.times:
                opens = _moment_of(datetime.combine(day, time), opening.zone)
                if opens + opening.lasts > now:
                    yield _Span(opens, opens + opening.lasts)


def _days_from(day: date) -> Iterator[date]:
    first = day.toordinal()
    return map(date.fromordinal, range(first, min(first + MAX_SEARCH_DAYS, date.max.toordinal())))


def _blackout(days: Days, zone: ZoneInfo) -> _Span:
    after = days.last + timedelta(days=1)
    return _Span(
        _moment_of(datetime.combine(days.first, datetime.min.time()), zone),
        # If midnight occurs twice, the blackout lasts until the second one.
        _moment_of(datetime.combine(after, datetime.min.time()), zone, last=True),
    )


def _outside(span: _Span, blackouts: Sequence[_Span]) -> Iterator[_Span]:
    """The parts of `span` that are outside of the blackouts, which are sorted."""
    opens = span.opens
    for blackout in blackouts:
        if blackout.closes <= opens:
            continue
        if blackout.opens >= span.closes:
            break
        if blackout.opens > opens:
            yield _Span(opens, blackout.opens)
        opens = blackout.closes
    if opens < span.closes:
        yield _Span(opens, span.closes)


def _moment_of(local: datetime, zone: ZoneInfo, *, last: bool = False) -> float:
    """The moment of a local time; of two such moments the first one, or the `last` one.

    For a local time that the zone skips, it is the first moment after the gap.
    """
    earlier, later = (int(local.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if _local_time(earlier, zone) == local:
        return float(later if last else earlier)
    # The time is skipped. Then fold=0 is a moment after the gap and fold=1 one before it (PEP 495),
    # and the gap ends at the second in which the local time jumps past `local`.
    seconds = range(later, earlier)
    return float(later + bisect_left(seconds, local, key=lambda one: _local_time(one, zone)))


def _local_time(moment: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
