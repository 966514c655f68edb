"""Reads run files for the report of a run or a campaign. Nothing here changes a run file.

What is kept of a run does not grow with the number of its targets: counts, a few targets as
samples, and a bounded number of groups of messages.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from fleetpatch.campaign.change import change_of
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.view import with_window
from fleetpatch.journal import queries, report_queries, sessions, timeline
from fleetpatch.journal.run_digest import run_digest
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns
from fleetpatch.journal.verification import not_holding
from fleetpatch.model.change import Change
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import ListedTarget, RunInfo, Summary
from fleetpatch.model.timeline import Timeline
from fleetpatch.report.document.contents import (
    MAX_ATTEMPTS,
    Effort,
    MessageGroup,
    RunPart,
    RunReport,
    WaveSpan,
)
from fleetpatch.report.document.messages import pattern_of
from fleetpatch.rules.planning.result import values_after
from fleetpatch.rules.running.window import window_status

SAMPLES: Final = 4
"""Targets that are shown with their values before and after."""
GROUP_SAMPLES: Final = 3
"""Targets that are shown of each group of messages."""
MAX_GROUPS: Final = 200
"""Groups of messages; further messages of a reason share one."""
OTHERS: Final = "(other messages)"
NOT_HOLDING: Final = 20
"""Targets that are shown of those that a verification found not to hold."""
MAX_OPENINGS: Final = 100
"""Openings of the window that are shown."""

_GROUPED: Final = frozenset(
    reason for reason in Reason if OUTCOME_OF[reason] in {Outcome.SKIPPED, Outcome.FAILED}
)


def report_of(
    paths: Sequence[Path], name: str, now: float, undos: Mapping[str, Sequence[str]] | None = None
) -> RunReport:
    """Read the report of these run files. Raises RunFileError, and Locked as `RunFile.open`."""
    parts: list[RunPart] = []
    samples: list[ListedTarget] = []
    groups, efforts, over_time = _Groups(), Counter[tuple[Reason, int, bool]](), Timeline()
    for path in sorted(paths, key=_created_at):
        with RunFile.open(path) as journal:
            plan = plan_of(journal)
            reader = _Reader(journal, change_of(journal.info, plan))
            parts.append(_part(journal, plan, now))
            samples += reader.changed(SAMPLES)
            groups.add(reader)
            over_time.update(timeline.read(journal.database))
            for row in report_queries.efforts(journal, MAX_ATTEMPTS):
                efforts[row.reason, row.attempts, bool(row.was_read)] += row.count
    titles = {campaigns.name_of(part.summary.info.run) for part in parts}
    return RunReport(
        name,
        name if len(titles) > 1 else titles.pop(),
        now,
        parts,
        samples[-SAMPLES:],
        groups.by_count(),
        [Effort(*key, count) for key, count in sorted(efforts.items())],
        over_time,
        undos or {},
    )


def _created_at(path: Path) -> str:
    with RunFile.open(path, check=False) as journal:
        return journal.info.created_at


def _part(journal: RunFile, plan: Plan, now: float) -> RunPart:
    summary = with_window(queries.summary(journal), now)
    spans = [
        WaveSpan(number, wave.targets, wave.open, *report_queries.wave_span(journal, number))
        for number, wave in enumerate(summary.waves, 1)
    ]
    return RunPart(
        summary,
        run_digest(journal),
        sessions.read(journal),
        spans,
        list(_openings(plan, journal.info, summary)),
        list(not_holding(journal, limit=NOT_HOLDING)) if summary.verification else (),
    )


def _openings(plan: Plan, info: RunInfo, summary: Summary) -> Iterator[tuple[float, float]]:
    """Yield when the window was open, from the first claim to the last outcome."""
    # A dry run and an undo ignore the window.
    if plan.window is None or info.dry_run or info.undo_of:
        return
    window, moment, end = plan.window.window(), summary.started, summary.ended
    for _ in range(MAX_OPENINGS):
        if moment is None or end is None or moment > end:
            return
        status = window_status(window, moment)
        if status.closes_at is not None:
            yield moment, status.closes_at
        moment = status.opens_at


@dataclass(slots=True)
class _Reader:
    """Reads targets of one run, with their values after it."""

    journal: RunFile
    change: Change

    def listed(self, ids: Sequence[int]) -> list[ListedTarget]:
        """Read the targets with these ids."""
        run = self.journal.info.run
        return [
            replace(one, run=run, after=values_after(self.change, one.target, one.settlement))
            for one in queries.by_id(self.journal, ids)
        ]

    def changed(self, count: int) -> list[ListedTarget]:
        """Read some targets that were changed, or are to be, spread over the kinds."""
        found = self.listed([one.id for one in queries.samples(self.journal, count * 4)])
        changed = [one for one in found if one.after != one.target.before]
        return changed[:count]


@dataclass(slots=True)
class _Group:
    message: str
    ids: list[int] = field(default_factory=list)
    samples: list[ListedTarget] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)


class _Groups:
    """Groups what was skipped and what failed, by reason and message."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Reason, str], _Group] = {}

    def add(self, reader: _Reader) -> None:
        """Add the targets of a run."""
        run = reader.journal.info.run
        for target, reason, detail in report_queries.messages(reader.journal, _GROUPED):
            group = self._group(reason, detail)
            group.runs[run] += 1
            if len(group.ids) + len(group.samples) < GROUP_SAMPLES:
                group.ids.append(target)
        for group in self._groups.values():
            # Ids are those of one run.
            group.samples += reader.listed(group.ids) if group.ids else []
            group.ids = []

    def _group(self, reason: Reason, detail: str) -> _Group:
        pattern = pattern_of(detail)
        key = reason, pattern
        if key not in self._groups and len(self._groups) >= MAX_GROUPS:
            key = reason, OTHERS
        return self._groups.setdefault(key, _Group(key[1]))

    def by_count(self) -> list[MessageGroup]:
        """Return the groups: failures first, then the largest."""
        groups = [
            MessageGroup(reason, group.message, group.runs.total(), group.samples, group.runs)
            for (reason, _), group in self._groups.items()
        ]
        return sorted(groups, key=lambda one: (one.outcome is not Outcome.FAILED, -one.count))
