"""The constants of the pace: each with its unit, its reason and [the test that fails without it].

Test files are in tests/rules/pacing and tests/engine; `python -m bench.pacing_ablation --mutants`
changes each constant by 30 % and runs them. docs/pacing.md describes the mechanisms.
"""

from typing import NamedTuple


class Tuning(NamedTuple):
    """The defaults are what fleetpatch uses. A tuple, since a dataclass is slow to make."""

    tolerated_share: float = 0.02  # of refusals: the edge of a server's limit [refusals]
    excess_ratio: float = 3.0  # to the tolerated share: the excess that is watched for [refusals]
    excess_evidence: float = 5.0  # nats: chance causes one excess in e^5 = 150 tests [refusals]
    fewest_answers: int = 16  # for an excess: fewer may be one burst [refusals]
    cut: float = 0.85  # of the accepted rate: clearly below the limit [refusals]
    deepest_cut: float = 0.25  # of a limit: few answers may show too low a rate [refusals]
    slow_start_share: float = 0.5  # of refusals that ends slow start: it overshoots [governor]
    slowest_rate: float = 1.0  # requests a second: without answers nothing is learned [refusals]
    fewest_in_flight: int = 5  # clients take time between two requests, too [refusals]
    remaining_share: float = 0.1  # of the refusals, left by a cut that helps [refusals]
    verdict_evidence: float = 4.0  # nats: one verdict in e^4 = 55 is wrong [refusals]
    longest_trial: float = 10.0  # seconds: a slow server answers rarely [refusals]
    high_share: float = 0.25  # of refusals in a trial: the cut was too small [refusals]
    most_cuts: int = 4  # in a row: a burst shows four times the rate at most [refusals]
    first_regrowth: float = 2.0  # seconds from a cut to the capacity found [refusals]
    longest_regrowth: float = 6.0  # seconds: it doubles up to this at each excess [refusals]
    lifted_at: float = 4.0  # times the capacity found: the limits are lifted [refusals]
    tolerance: float = 30.0  # seconds, or lengths of a trial, which costs [refusals]
    tolerance_margin: float = 1.5  # times the share found: chance varies it [refusals]
    most_tolerated: float = 0.6  # share of refusals: above it a cut is tried again [refusals]
    blocked_share: float = 0.95  # of refusals: nearly everything, all requests pause [refusals]
    first_latency: float = 0.1  # seconds: assumed until a request is accepted [refusals]
    latency_weight: float = 0.05  # of a new latency in the mean: that of about 20 [refusals]
    pause: float = 1.0  # seconds between probes without a Retry-After [governor]
    pause_jitter: float = 0.1  # of a pause: clients must not return together [governor]
    burst: float = 0.05  # seconds of a found rate at once: event loops wake late [governor]
    start: int = 16  # requests in flight at first: few for a server [hill_climb]
    start_worth: float = 0.3  # growth of throughput to that in flight, when it doubles [hill_climb]
    worth: float = 0.06  # the same, later: the price of more in flight [hill_climb]
    step: float = 1.4  # ratio of two limits in a comparison: seen in noise [hill_climb]
    round: int = 60  # answers: their mean latency is known to 2 % [hill_climb]
    shortest_round: float = 0.15  # seconds: an event loop without CPU time stalls [hill_climb]
    longest_round: float = 1.0  # seconds, then as many answers as in flight do [hill_climb]
    full: float = 0.65  # of the limit in use: below it the limit limits nothing [hill_climb]
    lead: int = 2  # rounds won more than lost: one may be chance [hill_climb]
    least_left: float = 1.0  # seconds of work for another limit: connections cost [hill_climb]
    interval: float = 4.0  # seconds between comparisons: they cost [hill_climb]
    recent: float = 1.0  # seconds, or two latencies, for which what limited is the cause [governor]
    report_delay: float = 3.0  # seconds that a change lasts before its report [pace_report]
    report_ratio: float = 1.5  # of two limits: a change that is reported [pace_report]
