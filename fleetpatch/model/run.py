"""A run as people and programs see it: its identity, state and results.

All of it is read from the run file (`fleetpatch.journal`); no counters are kept in memory.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Self

import msgspec

from fleetpatch.model.fields import Fields, Json
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.target import Target


class RunState(StrEnum):
    """The state of a run."""

    PLANNING = "planning"
    """The survey has not ended. A run file that is left in this state contains no targets."""
    PLANNED = "planned"
    RUNNING = "running"
    """A process applies it now, or did until it crashed."""
    PAUSED = "paused"
    HALTED = "halted"
    FINISHED = "finished"


# A PLANNING run has no targets yet, and a FINISHED one has none left.
UNFINISHED = frozenset({RunState.PLANNED, RunState.RUNNING, RunState.PAUSED, RunState.HALTED})
"""The states from which a run can be resumed."""

STARTED = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.HALTED, RunState.FINISHED})
"""The states of a run that was carried out, at least in part. Any other run is a preview."""


class Standing(StrEnum):
    """The state of a target: its outcome, or that it has none."""

    PENDING = "pending"
    """Not claimed: nothing was sent for it."""
    IN_DOUBT = "in-doubt"
    """Claimed, without an outcome: a PATCH may have been sent."""
    APPLIED = Outcome.APPLIED.value
    UNCHANGED = Outcome.UNCHANGED.value
    SKIPPED = Outcome.SKIPPED.value
    FAILED = Outcome.FAILED.value


class ClusterInfo(msgspec.Struct, frozen=True):
    """One cluster of a run's fleet, as resolved when the run was planned.

    `route` is what else decides which server answers, apart from the URL; see `kube.connection`.
    """

    name: str
    server: str
    context: str = ""
    route: str = ""


class RunInfo(msgspec.Struct, frozen=True):
    """The properties of a run that never change.

    `run` is its id, `plan` the canonical JSON of the plan, `plan_digest` its digest, `created_at`
    RFC 3339 in UTC, `created_by` `user@host`; `clusters` are in the fleet's order. `undo_of` is the
    id of the run that this one undoes, or empty. `description` and `annotations` are those of the
    plan's metadata. `reason` says why the run is made, and is replaced by that of a later call.
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
    reason: str = ""
    description: str = ""
    annotations: Mapping[str, str] = {}


class Usage(msgspec.Struct, frozen=True):
    """Requests by verb, the retries among them, and elapsed seconds."""

    patch: int = 0
    get: int = 0
    list: int = 0
    retries: int = 0
    elapsed: float = 0.0

    def __add__(self, other: Self) -> "Usage":
        """Return the sum of both."""
        return Usage(
            self.patch + other.patch,
            self.get + other.get,
            self.list + other.list,
            self.retries + other.retries,
            self.elapsed + other.elapsed,
        )


class Tally(msgspec.Struct, frozen=True):
    """The number of targets in each state."""

    pending: int = 0
    in_doubt: int = 0
    applied: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0

    @classmethod
    def of(cls, counts: Iterable[tuple[Standing, int]]) -> Self:
        """Add up counts; a state may occur more than once."""
        totals: dict[str, int] = {}
        for standing, count in counts:
            key = standing.name.lower()
            totals[key] = totals.get(key, 0) + count
        return cls(**totals)

    @property
    def total(self) -> int:
        """The number of all targets."""
        return self.open + self.applied + self.unchanged + self.skipped + self.failed

    @property
    def open(self) -> int:
        """The number of targets without an outcome: pending and in doubt."""
        return self.pending + self.in_doubt


class ListedTarget(msgspec.Struct, frozen=True):
    """One target and its state; `settlement` is None while it has no outcome.

    `run` is the name of its run and `after` its values after the run, where they are listed.
    """

    target: Target
    standing: Standing
    settlement: Settlement | None = None
    run: str = ""
    after: Fields | None = None


class Summary(msgspec.Struct, frozen=True):
    """The summary of a run file.

    - `cause`, `cause_code`: why the run is not finished; empty if it is.
    - `reasons`: the number of each reason, by outcome.
    - `by_cluster`: in the fleet's order, with clusters that have no targets.
    - `by_kind` (with keys such as `jobs.batch`), `by_namespace`: sorted by name.
    - `warnings`: the number of each warning text, in the order of the first occurrences.
    - `inconsistent`: the clusters whose survey read a list at more than one resourceVersion.
    - `started`, `ended`: the first claim and the last outcome, in seconds since the epoch, or None.
    - `undone_by`: the id of the run that undid this one, or empty.
    - `outdated`: the file was copied without its write-ahead log, and may show an earlier state.
    - `partly`: a paused run has targets left only because of circuit breakers.
    - `awaits_promotion`: the next wave begins only with `resume --promote`.
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
    warnings: Mapping[str, int] = {}
    inconsistent: tuple[str, ...] = msgspec.field(default=())
    started: float | None = None
    ended: float | None = None
    undone_by: str = ""
    outdated: bool = False
    partly: bool = False
    awaits_promotion: bool = False
    cause_code: str = ""


def as_json(summary: Summary) -> dict[str, Json]:
    """Render the object that `apply --output json` prints; an interface (docs/reference.md).

    `pending` includes targets in doubt, so that the outcomes always add up to `targets`.
    """
    tally, usage, info = summary.tally, summary.usage, summary.info
    return {
        "run": info.run,
        "runFile": summary.run_file,
        "plan": {"name": info.plan_name, "digest": info.plan_digest},
        **notes_as_json(info),
        "state": summary.state.value,
        "cause": summary.cause,
        "causeCode": summary.cause_code,
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
        "elapsedSeconds": round(usage.elapsed, 3),  # milliseconds: more digits are noise
    }


def notes_as_json(info: RunInfo) -> dict[str, Json]:
    """Render what people wrote about the run."""
    return {
        "description": info.description,
        "reason": info.reason,
        "annotations": dict(info.annotations),
    }


def warnings_as_json(summary: Summary) -> list[Json]:
    """Render the warnings of servers with their counts."""
    return [{"text": text, "count": count} for text, count in summary.warnings.items()]
