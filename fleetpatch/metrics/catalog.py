"""All metrics: names, types, labels and help texts.

They are an interface: docs/metrics.md has a table of them, the alert rules and the dashboard in
`deploy/` query them, and tests compare all three with `METRICS`. Every sample has the label `plan`,
so that files of several plans can be collected by one node_exporter.

Labels have a bounded number of values. No label has the name of an object, a namespace or a run.
"""

from enum import StrEnum
from typing import Final

import msgspec

PREFIX: Final = "fleetpatch_"


class Kind(StrEnum):
    """The type of a metric, in the words of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(msgspec.Struct, frozen=True):
    """One metric; `labels` are those beside `plan`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series, as queries use them."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(PREFIX + name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(PREFIX + name, Kind.GAUGE, text, labels)


BUILD_INFO: Final = _gauge("build_info", "1; the version is a label.", "version")
RUNNING: Final = _gauge("running", "Whether the command (apply, resume, undo) runs.", "command")
LAST_START: Final = _gauge("last_start_timestamp_seconds", "When the last command began.")
LAST_REPORT: Final = _gauge("last_report_timestamp_seconds", "When these figures were taken.")
LAST_END: Final = _gauge("last_end_timestamp_seconds", "When the last command ended.")
LAST_SUCCESS: Final = _gauge(
    "last_success_timestamp_seconds", "When apply or resume last ended with 0, not as a dry run."
)
LAST_EXIT_CODE: Final = _gauge("last_exit_code", "The exit code of the last command that ended.")
LAST_CAUSE: Final = _gauge(
    "last_cause", "1; the cause code of the last command that ended is a label.", "cause_code"
)

TARGETS: Final = _gauge("targets", "Targets of the run, by their state.", "cluster", "state")
ENDED_TARGETS: Final = _gauge(
    "ended_targets", "Targets of the run that ended, by outcome and reason.", "outcome", "reason"
)
VERIFIED_TARGETS: Final = _gauge(
    "verified_targets",
    "Applied targets by what the latest verification found.",
    "cluster",
    "result",
)
LAST_VERIFICATION: Final = _gauge(
    "last_verification_timestamp_seconds", "When the latest verification of the run ended."
)
WAVES: Final = _gauge("waves", "The number of waves of the run; 0 without waves.")
WAVE: Final = _gauge("wave", "The wave under way or awaited, from 1; 0 without one.")
WORKERS: Final = _gauge("workers", "Worker processes that send requests; 0 without workers.")
EXPECTED_END: Final = _gauge(
    "expected_end_timestamp_seconds", "When the run is expected to end; 0 if not known."
)

WINDOW_OPEN: Final = _gauge(
    "window_open", "Whether the plan's window lets requests be sent; 1 without a window."
)
WINDOW_OPENS: Final = _gauge(
    "window_opens_timestamp_seconds",
    "When the window opens next, after now and after it closes; 0 if never or not known.",
)
WINDOW_CLOSES: Final = _gauge(
    "window_closes_timestamp_seconds", "When the open window closes; 0 if it is not open."
)

REQUESTS: Final = _counter(
    "requests_total", "Requests that ended in this session.", "cluster", "verb", "status"
)
DURATION: Final = Metric(
    PREFIX + "patch_duration_seconds",
    Kind.HISTOGRAM,
    "Durations of PATCHes that reached the server.",
    ("cluster",),
)
CONFLICTS: Final = _counter("conflicts_total", "PATCHes that were answered 409.", "cluster")
RETRIES: Final = _counter(
    "retries_total", "Attempts that were repeated, by the verdict.", "cluster", "verdict"
)
IN_FLIGHT: Final = _gauge("requests_in_flight", "Requests without an answer.", "cluster")
LIMIT_IN_FLIGHT: Final = _gauge(
    "pace_limit_requests_in_flight", "Requests that may be in flight.", "cluster"
)
LIMIT_RATE: Final = _gauge(
    "pace_limit_requests_per_second",
    "Requests that may be sent in a second; +Inf without a limit.",
    "cluster",
)
PACE_CAUSE: Final = _gauge(
    "pace_cause", "1 for what limits the pace now, 0 for the other causes.", "cluster", "cause"
)

METRICS: Final = (
    *(BUILD_INFO, RUNNING, LAST_START, LAST_REPORT, LAST_END, LAST_SUCCESS, LAST_EXIT_CODE),
    *(LAST_CAUSE, TARGETS, ENDED_TARGETS, VERIFIED_TARGETS, LAST_VERIFICATION),
    *(WAVES, WAVE, WORKERS, EXPECTED_END),
    *(WINDOW_OPEN, WINDOW_OPENS, WINDOW_CLOSES, REQUESTS, DURATION, CONFLICTS, RETRIES),
    *(IN_FLIGHT, LIMIT_IN_FLIGHT, LIMIT_RATE, PACE_CAUSE),
)
