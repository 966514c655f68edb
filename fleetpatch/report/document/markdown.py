"""The report as Markdown, for a pull request, a ticket or a chat: what matters, on one screen.

What clusters send is in code spans: nothing in them becomes a link or a mention of a user.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.run import Summary, outcomes_as_json
from fleetpatch.report.document import facts, words
from fleetpatch.report.document.contents import MessageGroup, RunPart, RunReport
from fleetpatch.report.markdown import code, examples, row, text
from fleetpatch.report.runs import state_of
from fleetpatch.report.summary import steps
from fleetpatch.report.wording import moment, number, several

_GROUPS_SHOWN: Final = 10
_SAMPLES_SHOWN: Final = 2
_CLUSTERS_SHOWN: Final = 10
_WARNINGS_SHOWN: Final = 5


def markdown_lines(report: RunReport) -> Iterator[str]:
    """Yield the report."""
    latest = report.latest
    yield f"## {text(report.title)} is {state_of(latest)}: {facts.headline(report)}"
    yield ""
    if latest.info.description:
        yield text(latest.info.description)
        yield ""
    for part in report.runs:
        yield from _facts(part)
    yield ""
    yield from _outcomes(report)
    yield from _clusters(report)
    if report.samples:
        yield ""
        samples = report.samples[:_SAMPLES_SHOWN]
        yield from examples((one.target, one.after or {}) for one in samples)
    yield from _groups(report)
    yield from _over_time(report)
    yield from _warnings(report)
    yield from _next(report.summaries)


def _facts(part: RunPart) -> Iterator[str]:
    summary, info = part.summary, part.summary.info
    sent = ""
    if summary.started is not None and summary.ended is not None:
        sent = f", sent from {moment(summary.started)} to {moment(summary.ended)}"
    yield f"- **Run** {code(info.run)} by {code(info.created_by)}{sent}"
    if info.reason:
        yield f"  - **Reason** {text(info.reason)}"
    for key, value in info.annotations.items():
        yield f"  - **{text(key)}** {text(value)}"
    yield f"  - **Plan digest** {code(info.plan_digest)}"
    if info.undo_of:
        yield f"  - **Undoes** {code(info.undo_of)}"
    if summary.cause:
        yield f"  - **Cause** {code(summary.cause)} ({code(summary.cause_code)})"
    if found := summary.verification:
        counts = (f"{number(count)} {name.value}" for name, count in found.counts.items() if count)
        yield f"  - **Verified** {moment(found.ended_at)}: {', '.join(counts) or 'nothing'}"


def _outcomes(report: RunReport) -> Iterator[str]:
    yield row(("outcome", "reason", "objects", "meaning"))
    yield row(("---", "---", "---:", "---"))
    for outcome, reasons in facts.explained(report).items():
        for one in reasons:
            yield row((outcome.value, one.reason.value, number(one.objects), one.text))
    if report.tally.open:
        yield row(("pending", "", number(report.tally.open), "without an outcome"))


def _clusters(report: RunReport) -> Iterator[str]:
    tallies = list(report.by(lambda one: one.by_cluster).items())
    if len(tallies) < 2:  # noqa: PLR2004 # one has the counts above
        return
    yield ""
    yield row(("cluster", "applied", "unchanged", "skipped", "failed", "pending"))
    yield row(("---", *["---:"] * 5))
    for name, one in tallies[:_CLUSTERS_SHOWN]:
        yield row((text(name), *map(number, outcomes_as_json(one).values())))
    if len(tallies) > _CLUSTERS_SHOWN:
        yield row((f"and {len(tallies) - _CLUSTERS_SHOWN} more", *[""] * 5))


def _groups(report: RunReport) -> Iterator[str]:
    if not report.groups:
        return
    yield ""
    yield "**Failures and skips**"
    yield ""
    for group in report.groups[:_GROUPS_SHOWN]:
        yield from _group(report, group)
    if (rest := len(report.groups) - _GROUPS_SHOWN) > 0:
        yield f"- and {several(rest, 'more message')}"


def _group(report: RunReport, group: MessageGroup) -> Iterator[str]:
    message = f": {code(group.message)}" if group.message else ""
    yield (
        f"- **{group.outcome.value}: {group.reason.value}**, {several(group.count, 'object')}"
        f"{message}"
    )
    for one in group.samples[:1]:
        yield f"  - for example {code(one.target.full_name)}"
    for command in facts.commands_of(report, group):
        yield f"  - {code(command)}"


def _over_time(report: RunReport) -> Iterator[str]:
    if not report.timeline:
        return
    yield ""
    yield f"{words.rates(report.timeline)} {words.latency(report.timeline)}"


def _warnings(report: RunReport) -> Iterator[str]:
    for found, count in list(report.warnings.items())[:_WARNINGS_SHOWN]:
        yield ""
        yield f"> Warning from the servers, {number(count)} times: {code(found)}"


def _next(summaries: list[Summary]) -> Iterator[str]:
    found = [step for summary in reversed(summaries) for step in steps(summary)]
    if found:
        yield ""
        yield "**Next**"
        yield ""
    for step in found:
        yield f"- {code(step.command)}: {step.effect}"
