"""How many refusals are the server's way, whatever the rate.

Some refusals are put up with always: to be refused a little is how a client learns that it uses all
that it may. And where the share of refusals stays the same although the rate was cut again and
again, it does not come from the rate (a proxy with one sick backend), and going slower would be in
vain: then that share is put up with for a while.
"""

from math import inf

_USUAL = 0.05
_MOST = 0.3
_SPARE = 1.5
_FOR = 60.0
_LOWER = 0.85
_ALIKE = 0.4
_SURE = 2
_HELPED = 0.5


class ErrorTolerance:
    """`share` of the requests, at most, may be refused without a consequence."""

    def __init__(self) -> None:
        self.share = _USUAL
        self._until = 0.0
        self._before: tuple[float, float] | None = None
        self._in_vain = 0

    def exceeded(self, share: float, rate: float, now: float) -> bool:
        """Whether so many refusals at this rate ask for a cut."""
        if now >= self._until:
            self.share = _USUAL
        if share <= self.share:
            if share < _HELPED * self.share:
                self._before, self._in_vain = None, 0
            return False
        rate_before, share_before = self._before or (inf, 0.0)
        if rate > _LOWER * rate_before:
            return True
        alike = share <= _MOST and abs(share - share_before) <= _ALIKE * share_before
        self._in_vain = self._in_vain + 1 if alike else 0
        self._before = rate, share
        if self._in_vain < _SURE:
            return True
        self.share, self._until = min(_MOST, _SPARE * share), now + _FOR
        self._before, self._in_vain = None, 0
        return False

    @property
    def in_vain(self) -> bool:
        """Whether the last cut has changed nothing."""
        return self._in_vain > 0
