"""All that a report shows of one or more runs. Its size does not depend on the number of targets.

Texts in it come from servers as they are; each format cleans and escapes them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Final

import msgspec

from fleetpatch.model.answer import add_warnings
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, by_outcome
from fleetpatch.model.run import ListedTarget, Summary, Tally, Usage
from fleetpatch.model.timeline import SessionRecord, Timeline
from fleetpatch.model.verification import VerifiedTarget

MAX_ATTEMPTS: Final = 10
"""Numbers of PATCHes from this one on are counted together."""


class WaveSpan(msgspec.Struct, frozen=True):
    """One wave: its number from 1, its targets, and from when to when they were sent.

    Times are in seconds since the epoch, and None where nothing was sent or has ended.
    """

    number: int
    targets: int
    pending: int
    began: float | None
    ended: float | None


class RunPart(msgspec.Struct, frozen=True):
    """What a report has of one run.

    `openings` are the times at which the plan's window was open while the run lasted, as
    (opens, closes) in seconds since the epoch. `not_holding` are some of the targets that the
    latest verification found not to hold.
    """

    summary: Summary
    digest: str = ""
    sessions: Sequence[SessionRecord] = ()
    waves: Sequence[WaveSpan] = ()
    openings: Sequence[tuple[float, float]] = ()
    not_holding: Sequence[VerifiedTarget] = ()


class MessageGroup(msgspec.Struct, frozen=True):
    """Targets that ended with one reason and with messages that differ only in names and numbers.

    `message` is that of all, with an ellipsis for each part that differs. `runs` has the number of
    such targets by run.
    """

    reason: Reason
    message: str
    count: int
    samples: Sequence[ListedTarget]
    runs: Mapping[str, int]

    @property
    def outcome(self) -> Outcome:
        """The outcome of `reason`."""
        return OUTCOME_OF[self.reason]


class Effort(msgspec.Struct, frozen=True):
    """Targets that took more than one PATCH, or a read, and how they ended.

    `attempts` is the number of PATCHes, `MAX_ATTEMPTS` and more in one entry.
    """

    reason: Reason
    attempts: int
    was_read: bool
    count: int


class RunReport(msgspec.Struct, frozen=True):
    """The report of the runs `runs`, the oldest first, made at `made_at`.

    `name` is that of the run or of the campaign, `title` that of the campaign if it is only one. An
    object of several runs counts in each of them. `timeline` is that of all runs together; it is
    empty where no run has one. `undos` are unfinished undos, with the words that name them in a
    command.
    """

    name: str
    title: str
    made_at: float
    runs: Sequence[RunPart]
    samples: Sequence[ListedTarget]
    groups: Sequence[MessageGroup]
    efforts: Sequence[Effort]
    timeline: Timeline
    undos: Mapping[str, Sequence[str]] = {}

    @property
    def summaries(self) -> list[Summary]:
        """The summaries of the runs."""
        return [part.summary for part in self.runs]

    @property
    def latest(self) -> Summary:
        """The newest run."""
        return self.runs[-1].summary

    @property
    def tally(self) -> Tally:
        """The targets of all runs."""
        return reduce(add, (one.tally for one in self.summaries), Tally())

    @property
    def usage(self) -> Usage:
        """The requests of all runs."""
        return reduce(add, (one.usage for one in self.summaries), Usage())

    @property
    def reasons(self) -> dict[Outcome, dict[Reason, int]]:
        """The number of each reason, by outcome, in the order of both enums."""
        counts: Counter[Reason] = Counter()
        for summary in self.summaries:
            for reasons in summary.reasons.values():
                counts.update(reasons)
        return by_outcome(counts)

    @property
    def warnings(self) -> dict[str, int]:
        """The servers' warnings of all runs, the most frequent first."""
        counts: dict[str, int] = {}
        for summary in self.summaries:
            counts = add_warnings(counts, summary.warnings)
        return dict(sorted(counts.items(), key=lambda one: -one[1]))

    def by(self, place: Callable[[Summary], Mapping[str, Tally]]) -> dict[str, Tally]:
        """Add up the tallies of places, as `by_cluster`, those with most to look at first."""
        tallies: dict[str, Tally] = {}
        for summary in self.summaries:
            for name, tally in place(summary).items():
                known = tallies.get(name)
                tallies[name] = tally if known is None else known + tally
        return dict(sorted(tallies.items(), key=lambda one: (_urgency(one[1]), one[0])))


def _urgency(tally: Tally) -> tuple[int, int, int]:
    return -tally.failed, -tally.open, -tally.total
