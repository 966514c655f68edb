"""A run, as people and programs read about it: what it is, where it stands, what it came to.

All of it is read from the run file (`fleetpatch.journal`), never counted in memory beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from fleetpatch.model.fields import Json
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.target import Target


class RunState(StrEnum):
    """Where a run stands."""

    PLANNING = "planning"
    """The survey has not ended. A run file left in this state holds no targets."""
    PLANNED = "planned"
    RUNNING = "running"
    """Somebody applies it now, or did so until a crash."""
    PAUSED = "paused"
    HALTED = "halted"
    FINISHED = "finished"


UNFINISHED = frozenset({RunState.PLANNED, RunState.RUNNING, RunState.PAUSED, RunState.HALTED})
"""The states from which a run can go on."""


class Standing(StrEnum):
    """Where a target stands: its outcome, or the lack of one."""

    PENDING = "pending"
    """Not claimed: nothing was sent for it."""
    IN_DOUBT = "in-doubt"
    """Claimed, without an outcome: it may have been sent."""
    APPLIED = Outcome.APPLIED.value
    UNCHANGED = Outcome.UNCHANGED.value
    SKIPPED = Outcome.SKIPPED.value
    FAILED = Outcome.FAILED.value


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """One cluster of a run's fleet, as it was resolved when the run was planned."""

    name: str
    server: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is fixed when a run is created.

    `run` is its id, `plan` the canonical JSON of the plan whose digest is `plan_digest`,
    `created_at` RFC 3339 in UTC, `created_by` `user@host`; `clusters` stand in the fleet's order.
    `undo_of` is the id of the run that this one undoes, or empty.
    """

    run: str
    plan_name: str
    plan_digest: str
    plan: str
    created_at: str
    created_by: str
    tool_version: str
    clusters: tuple[ClusterInfo, ...]
    dry_run: bool = False
    undo_of: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a stretch of work cost: requests by verb, retries among them, seconds of wall clock."""

    patch: int = 0
    get: int = 0
    list: int = 0
    retries: int = 0
    elapsed: float = 0.0

    def __add__(self, other: Self) -> "Usage":
        """Both stretches together."""
        return Usage(
            self.patch + other.patch,
            self.get + other.get,
            self.list + other.list,
            self.retries + other.retries,
            self.elapsed + other.elapsed,
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """How many targets stand where."""

    pending: int = 0
    in_doubt: int = 0
    applied: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0

    @classmethod
    def of(cls, counts: Iterable[tuple[Standing, int]]) -> Self:
        """Sum up counts; a standing may come more than once."""
        totals: dict[str, int] = {}
        for standing, count in counts:
            key = standing.name.lower()
            totals[key] = totals.get(key, 0) + count
        return cls(**totals)

    @property
    def total(self) -> int:
        """All targets."""
        return self.open + self.applied + self.unchanged + self.skipped + self.failed

    @property
    def open(self) -> int:
        """The targets without an outcome: pending and in doubt."""
        return self.pending + self.in_doubt


@dataclass(frozen=True, slots=True)
class ListedTarget:
    """One target with what the run file says of it; `settlement` is None while it has no end."""

    target: Target
    standing: Standing
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A run file, folded.

    `reasons` counts the reasons within each outcome that occurred. `by_cluster` stands in the
    fleet's order and names clusters without targets, too; `by_kind` (keys such as `jobs.batch`) and
    `by_namespace` are sorted by name. `warnings` counts what servers warned of, by text, in the
    order in which the texts came. `inconsistent` names the clusters whose survey saw more than
    one version of a list. `started` and `ended` are the first claim and the last outcome, in
    seconds since the epoch, or None before there was one. `undone_by` is the id of the run that
    undid this one, or empty. `outdated` is a copy that was made without its write-ahead log, and
    tells of an earlier moment. `partly` tells that breakers alone keep a paused run from its end.
    """

    info: RunInfo
    run_file: str
    state: RunState
    cause: str
    tally: Tally
    reasons: Mapping[Outcome, Mapping[Reason, int]]
    by_cluster: Mapping[str, Tally]
    by_kind: Mapping[str, Tally]
    by_namespace: Mapping[str, Tally]
    usage: Usage
    warnings: Mapping[str, int] = field(default_factory=dict)
    inconsistent: tuple[str, ...] = field(default=())
    started: float | None = None
    ended: float | None = None
    undone_by: str = ""
    outdated: bool = False
    partly: bool = False


def as_json(summary: Summary) -> dict[str, Json]:
    """Render the object that `apply --output json` prints; an interface (docs/reference.md).

    `pending` counts every target without an outcome, in doubt or not, so that the outcomes always
    add up to `targets`.
    """
    tally, usage, info = summary.tally, summary.usage, summary.info
    return {
        "run": info.run,
        "runFile": summary.run_file,
        "plan": {"name": info.plan_name, "digest": info.plan_digest},
        "state": summary.state.value,
        "cause": summary.cause,
        "targets": tally.total,
        "outcomes": {
            "applied": tally.applied,
            "unchanged": tally.unchanged,
            "skipped": tally.skipped,
            "failed": tally.failed,
            "pending": tally.open,
        },
        "reasons": {
            outcome.value: {reason.value: count for reason, count in reasons.items()}
            for outcome, reasons in summary.reasons.items()
        },
        "requests": {"patch": usage.patch, "get": usage.get, "list": usage.list},
        "retries": usage.retries,
        "warnings": warnings_as_json(summary),
        "elapsedSeconds": round(usage.elapsed, 3),
    }


def warnings_as_json(summary: Summary) -> list[Json]:
    """What the servers warned of, as programs read it."""
    return [{"text": text, "count": count} for text, count in summary.warnings.items()]
