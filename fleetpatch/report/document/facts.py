"""What all formats of a report say in the same words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.run import Tally
from fleetpatch.model.timeline import Timeline
from fleetpatch.report.document.contents import MAX_ATTEMPTS, MessageGroup, RunReport
from fleetpatch.report.status import go_on_with
from fleetpatch.report.wording import command, meaning, number, several


class Explained(NamedTuple):
    """A reason, how many targets ended with it, and what it means."""

    reason: Reason
    objects: int
    text: str


class Figures(NamedTuple):
    """The figures of one stretch of time; rates are per second.

    `latencies` are p50, p95 and p99 of the PATCHes, in seconds.
    """

    start: int
    rate: float
    in_flight: float
    allowed: float
    latencies: tuple[float | None, float | None, float | None]
    answers: Mapping[str, int]
    retries: int
    limit: str


def headline(report: RunReport) -> str:
    """Return how the runs ended, in one sentence."""
    tally = report.tally
    several_runs = len(report.runs) > 1
    changed = "would be changed" if report.latest.info.dry_run else "changed"
    # The targets of several runs are not added up: most objects are in each of the runs.
    applied = several(tally.applied, "object") if several_runs else _share_applied(tally)
    parts = [f"{applied} {changed}"]
    for count, what in (
        (tally.unchanged, "as wanted before"),
        (tally.skipped, "skipped"),
        (tally.failed, "failed"),
        (tally.open, "pending"),
        (_reverted(report), "reverted since"),
    ):
        if count:
            parts.append(f"{number(count)} {what}")
    if several_runs:
        parts.append(f"in {len(report.runs)} runs (an object counts in each of its runs)")
    return ", ".join(parts)


def _share_applied(tally: Tally) -> str:
    return f"{number(tally.applied)} of {several(tally.total, 'object')}"


def _reverted(report: RunReport) -> int:
    """Return how many objects the latest verification of each run found to be reverted."""
    verified = (one.verification for one in report.summaries if not one.undone_by)
    return sum(one.reverted for one in verified if one is not None)


def explained(report: RunReport) -> dict[Outcome, list[Explained]]:
    """Return the reasons of each outcome, the most frequent first, each with its meaning."""
    undo = all(one.info.undo_of for one in report.summaries)
    return {
        outcome: [
            Explained(reason, count, meaning(reason, undo=undo))
            for reason, count in sorted(reasons.items(), key=lambda one: -one[1])
        ]
        for outcome, reasons in report.reasons.items()
    }


def commands_of(report: RunReport, group: MessageGroup) -> list[str]:
    """Return the commands that retry the targets of a group, or list them; one for each run."""
    named = {one.info.run: one for one in report.summaries}
    return [go_on_with(named[run], group.reason) for run in group.runs if run in named]


def verify_command(report: RunReport) -> str:
    """Return the command that verifies the newest run with changes; empty if there is none."""
    for one in reversed(report.summaries):
        if one.tally.applied and not (one.undone_by or one.info.dry_run):
            return command("verify", *one.words)
    return ""


def status_command(words: Sequence[str]) -> str:
    """Return the command that shows the state of the run that these words name."""
    return command("status", *words)


def span_of(report: RunReport) -> tuple[float, float] | None:
    """Return when the first run began to send, and when the last one ended; None before that."""
    begins = [one.began for part in report.runs for one in part.sessions]
    begins += [one.started for one in report.summaries if one.started is not None]
    ends = [one.ended for one in report.summaries if one.ended is not None]
    ends += [one.ended for part in report.runs for one in part.sessions if one.ended is not None]
    if not begins:
        return None
    return min(begins), max([*ends, *begins])


def figures_of(timeline: Timeline) -> Iterator[Figures]:
    """Yield the figures of each bucket."""
    for start, bucket in timeline.buckets.items():
        limits = sorted(bucket.limits, key=lambda cause: -bucket.limits[cause])
        yield Figures(
            start,
            bucket.per_second(sum(bucket.ended.values())),
            bucket.per_second(bucket.in_flight),
            bucket.per_second(bucket.allowed),
            (bucket.latency(0.5), bucket.latency(0.95), bucket.latency(0.99)),
            dict(sorted(bucket.answers.items())),
            sum(bucket.retries.values()),
            limits[0] if limits else "",
        )


def efforts_of(report: RunReport) -> dict[str, int]:
    """Return what was counted of retries, conflicts and doubt, in words, without zeros."""
    total, tally = report.timeline.total, report.tally
    answers = total.answers
    silent = sum(count for status, count in answers.items() if not status.isdigit())
    lost = silent + sum(answers.get(status, 0) for status in ("502", "504"))
    counts = {
        "PATCHes": report.usage.patch,
        "reads of single objects, of discovery and to verify": report.usage.get,
        "retries": report.usage.retries,
        "conflicts (409)": answers.get("409", 0),
        "refused for now (408, 425, 429, 503)": sum(
            answers.get(status, 0) for status in ("408", "425", "429", "503")
        ),
        "answers lost (no answer, 502, 504)": lost,
        "still in doubt": tally.in_doubt,
    }
    return {name: count for name, count in counts.items() if count}


def settled_of(report: RunReport) -> list[tuple[Outcome, Reason, str, int]]:
    """Return how targets ended that took more than one PATCH or a read, with what they took."""
    order = list(Outcome)
    efforts = sorted(
        report.efforts, key=lambda one: (order.index(OUTCOME_OF[one.reason]), -one.count)
    )
    return [
        (OUTCOME_OF[one.reason], one.reason, _took(one.attempts, was_read=one.was_read), one.count)
        for one in efforts
    ]


def _took(attempts: int, *, was_read: bool) -> str:
    more = " or more" if attempts >= MAX_ATTEMPTS else ""
    patches = "1 PATCH" if attempts == 1 else f"{attempts or 'no'}{more} PATCHes"
    return f"{patches} and reads" if was_read else patches
