"""What limits the pace of a cluster, in words, for the progress and for `status`."""

from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.steering import PaceInForce
from fleetpatch.model.text import clean
from fleetpatch.report.wording import number, rate


def limit_in_words(pace: Pace, in_force: PaceInForce) -> str:
    """Return what limits the pace at the moment; empty if nothing does.

    `in_force` are the ceilings that people have set in place of the plan's.
    """
    in_flight = f"{number(pace.concurrency)} in flight"
    match pace.cause:
        case PaceCause.RATE if pace.rate is not None:
            return _ceiling("rate", rate(pace.rate), in_force.rate, in_force.rate_by)
        case PaceCause.CONCURRENCY:
            value = number(pace.concurrency)
            return _ceiling("concurrency", value, in_force.concurrency, in_force.concurrency_by)
        case PaceCause.LATENCY:
            return f"with more the server would only answer slower: {in_flight}"
        case PaceCause.REFUSALS:
            found = in_flight if pace.rate is None else f"{in_flight}, {rate(pace.rate)}"
            return f"the server refuses more: {found}"
        case PaceCause.RETRY_AFTER:
            return "the server accepts nearly nothing, so all requests wait"
        case PaceCause.FAILING:
            return "no request is answered, or all fail"
        case PaceCause.BACKOFF:
            return "targets that were refused wait until they may be sent again"
        case PaceCause.STARTING:
            return f"the pace still rises: {in_flight}"
        case _:
            return ""


def _ceiling(what: str, value: str, own: float | None, by: str) -> str:
    """Return `the plan's rate of 200/s`, or whose rate it is if a person has set `own`."""
    if own is None:
        return f"the plan's {what} of {value}"
    return clean(f"the {what} of {value} that {by} set")
