"""How a planned run would be carried out: waves, window, ceilings, limits and expected time."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.run import WindowState
from fleetpatch.model.text import clean
from fleetpatch.model.times import rfc3339
from fleetpatch.model.units import write_rate
from fleetpatch.report.wording import duration, moment, number, window_text

ASSUMED_RATE: Final = 100.0
"""Patches a second that are assumed of each cluster where the plan sets no rate."""


_SIZES_SHOWN: Final = 8
"""Sizes of waves that are shown; equal ones in a row count as one."""


class WaveForecast(msgspec.Struct, frozen=True):
    """The sizes of the waves, and what is between them: seconds, a check, a person."""

    sizes: tuple[int, ...]
    pause: float = 0.0
    by_hand: bool = False
    check: str = ""


class Forecast(msgspec.Struct, frozen=True):
    """What is known of carrying out a run before it begins.

    - `rate`, `concurrency`: the plan's ceilings for each cluster; the pace may adapt below them.
    - `max_failures`: as the plan writes it, or "". `deadline`: seconds, or None.
    - `verify_after`: seconds after a success, or None. `max_reverted`: as the plan writes it.
    - `sending`: the expected seconds of sending, at `rate` or `ASSUMED_RATE`.
    - `ends_at`: when it ends if it begins now, with pauses and window, in seconds since the epoch;
      None if that is not known.
    """

    rate: float | None
    concurrency: int
    adaptive: bool
    sending: float
    waves: WaveForecast | None = None
    window: WindowState | None = None
    max_failures: str = ""
    deadline: float | None = None
    ends_at: float | None = None
    verify_after: float | None = None
    max_reverted: str = ""

    @property
    def pauses(self) -> float:
        """The seconds of the pauses between the waves."""
        return self.waves.pause * (len(self.waves.sizes) - 1) if self.waves else 0.0


def forecast_lines(forecast: Forecast) -> Iterator[str]:
    """Yield a line for each part, as `Waves    3: 1, 10, 89 objects`."""
    for name, text in forecast_parts(forecast):
        yield f"{name:<8} {text}"


def forecast_parts(forecast: Forecast) -> Iterator[tuple[str, str]]:
    """Yield the name of each part, and its text."""
    if forecast.waves:
        yield "Waves", _waves(forecast.waves)
    if forecast.window:
        yield "Window", window_text(forecast.window)
    yield "Pace", _pace(forecast)
    if limits := list(_limits(forecast)):
        yield "Limits", "; ".join(limits)
    if forecast.verify_after is not None:
        yield "Verify", _verified(forecast, forecast.verify_after)
    if forecast.sending:
        yield "Expected", _expected(forecast)


def as_json(forecast: Forecast) -> dict[str, Json]:
    """Return pace, limits and expected time as entries of the object of `plan -o json`."""
    return {
        "pace": {
            "rate": forecast.rate,
            "concurrency": forecast.concurrency,
            "adaptive": forecast.adaptive,
        },
        "limits": {
            "maxFailures": forecast.max_failures or None,
            "deadlineSeconds": forecast.deadline,
        },
        "verify": None
        if forecast.verify_after is None
        else {
            "afterSeconds": forecast.verify_after,
            "maxReverted": forecast.max_reverted or None,
        },
        "expected": {
            "seconds": round(forecast.sending + forecast.pauses, 3),
            "sendingSeconds": round(forecast.sending, 3),
            "pauseSeconds": forecast.pauses,
            "rate": forecast.rate or ASSUMED_RATE,
            "rateIsAssumed": forecast.rate is None,
            "endsAt": rfc3339(forecast.ends_at),
        },
    }


def _waves(waves: WaveForecast) -> str:
    sizes = [_repeated(size, len(list(same))) for size, same in groupby(waves.sizes)]
    if len(sizes) > _SIZES_SHOWN:
        sizes = [*sizes[: _SIZES_SHOWN - 2], "...", sizes[-1]]
    between = [f"a pause of {duration(waves.pause)}"] if waves.pause else []
    if waves.check:
        between.append(f"a check ({clean(waves.check)})")
    if waves.by_hand:
        between = ["`fleetpatch resume --promote`"]
    text = f"{number(len(waves.sizes))}: {', '.join(sizes)} objects"
    return f"{text}; between them {' and '.join(between)}" if between else text


def _repeated(size: int, times: int) -> str:
    return number(size) if times == 1 else f"{number(times)} x {number(size)}"


def _pace(forecast: Forecast) -> str:
    rate = f"{write_rate(forecast.rate)} and " if forecast.rate else ""
    adapts = "the pace adapts to the servers" if forecast.adaptive else "the pace does not adapt"
    return f"at most {rate}{number(forecast.concurrency)} in flight on each cluster; {adapts}"


def _limits(forecast: Forecast) -> Iterator[str]:
    if forecast.max_failures:
        yield f"halts after more than {forecast.max_failures} failed targets"
    if forecast.deadline is not None:
        yield f"pauses after {duration(forecast.deadline)}"


def _verified(forecast: Forecast, after: float) -> str:
    each = " of each wave" if forecast.waves else ""
    text = f"{duration(after)} after the last success{each}"
    if forecast.max_reverted:
        text += f"; halts after more than {forecast.max_reverted} reverted objects"
    return text


def _expected(forecast: Forecast) -> str:
    rate = write_rate(forecast.rate or ASSUMED_RATE)
    basis = f"at {rate}" if forecast.rate else f"if each cluster takes {rate}"
    short = forecast.sending < 1.0
    sending = "less than a second" if short else f"about {duration(forecast.sending)}"
    text = f"{sending} of requests {basis}"
    if forecast.waves and forecast.waves.by_hand:
        return f"{text}, and the time until each wave is promoted"
    if forecast.pauses:
        text += f", {duration(forecast.pauses)} of pauses"
    if forecast.waves and forecast.waves.check:
        text += ", and the checks"
    if forecast.window:
        ends = "is not known" if forecast.ends_at is None else f"is at {moment(forecast.ends_at)}"
        text += f"; begun now, its end {ends}"
    return text
