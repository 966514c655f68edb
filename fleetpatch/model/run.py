"""A run as people and programs see it: its identity, state and results.

All of it is read from the run file (`fleetpatch.journal`); no counters are kept in memory.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Self

import msgspec

from fleetpatch.model.cause import CauseCode
from fleetpatch.model.fields import Fields, Json
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.steering import Request, pace_in_force
from fleetpatch.model.target import Target
from fleetpatch.model.times import rfc3339
from fleetpatch.model.verification import Verification, verification_as_json


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
    `missing` says why the cluster could not be reached when the plan was expanded, if it was
    skipped: the run has no targets of it.
    """

    name: str
    server: str
    context: str = ""
    route: str = ""
    missing: str = ""


class RunInfo(msgspec.Struct, frozen=True):
    """The properties of a run that never change.

    `run` is its id, `plan` the canonical JSON of the plan, `plan_digest` its digest, `created_at`
    RFC 3339 in UTC, `created_by` `user@host`; `clusters` are in the fleet's order. `undo_of` is the
    id of the run that this one undoes, or empty. `description` and `annotations` are those of the
    plan's metadata; `plan_folder` is the folder of the plan file, or empty. `reason` says why the
    run is made, and is replaced by that of a later call.
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
    plan_folder: str = ""

    @property
    def missing(self) -> Mapping[str, str]:
        """The clusters that were skipped, with the reason."""
        return {one.name: one.missing for one in self.clusters if one.missing}


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

    def __add__(self, other: Self) -> "Tally":
        """Return the sum of both."""
        return Tally(
            self.pending + other.pending,
            self.in_doubt + other.in_doubt,
            self.applied + other.applied,
            self.unchanged + other.unchanged,
            self.skipped + other.skipped,
            self.failed + other.failed,
        )

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


class WaveProgress(msgspec.Struct, frozen=True):
    """The progress of a wave: targets without an outcome, claimed ones, all, time of its end.

    Targets that needed no patch when planned are not counted. `over_at` is the time of the last
    success, or of the last outcome if nothing succeeded, in seconds since the epoch; None if
    nothing has ended.
    """

    open: int
    claimed: int
    targets: int
    over_at: float | None = None


class WindowState(msgspec.Struct, frozen=True):
    """A window at one moment; times are in seconds since the epoch, `timezone` an IANA name.

    `closes_at` is None while it is closed, `opens_at` while it is open for longer than a week, or
    does not open again.
    """

    is_open: bool
    timezone: str
    closes_at: float | None = None
    opens_at: float | None = None


class Summary(msgspec.Struct, frozen=True):
    """The summary of a run file.

    - `cause`, `cause_code`: why the run is not finished; empty if it is.
    - `reasons`: the number of each reason, by outcome.
    - `by_cluster`: in the fleet's order, with clusters that have no targets.
    - `by_kind` (with keys such as `jobs.batch`), `by_namespace`: sorted by name.
    - `warnings`: the number of each warning text, in the order of the first occurrences.
    - `inconsistent`: the clusters whose survey read a list at more than one resourceVersion.
    - `started`, `ended`: the first claim and the last outcome, in seconds since the epoch, or None.
    - `undone_by`: the id of the run that undid this one, or empty; `undone_in_part`: so far it has
      put back only a part.
    - `outdated`: the file was copied without its write-ahead log, and may show an earlier state.
    - `partly`: a paused run has targets left only because of circuit breakers.
    - `awaits_promotion`: the next wave begins only with `resume --promote`.
    - `reference`: how a command line names the run, from where this process runs; see `words`.
    - `waves`: the waves of the run, in their order; empty if it has none.
    - `window`: the plan's window at the moment of the summary; None if it has none.
    - `steering`: the requests of people that were followed, in their order.
    - `planning`: the seconds of `usage.elapsed` that planning took.
    - `verification`: the latest verification; None if there was none.
    - `stored_in_part`: a target that was not applied may have a part of the change.
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
    undone_in_part: bool = False
    outdated: bool = False
    partly: bool = False
    awaits_promotion: bool = False
    cause_code: str = ""
    waves: tuple[WaveProgress, ...] = ()
    window: WindowState | None = None
    steering: tuple[Request, ...] = ()
    planning: float = 0.0
    reference: tuple[str, ...] = ()
    verification: Verification | None = None
    stored_in_part: bool = False

    @property
    def may_have_changed(self) -> bool:
        """Whether there may be something to undo."""
        failed = self.reasons.get(Outcome.FAILED, {})
        tally = self.tally
        in_part = self.stored_in_part or Reason.NOT_EFFECTIVE in failed
        return bool(tally.applied or tally.in_doubt or in_part)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a command line that name the run, options included."""
        return self.reference or (self.run_file,)

    @property
    def is_cancelled(self) -> bool:
        """Whether a person has cancelled the run: `apply PLAN` does not continue it."""
        return self.state is RunState.HALTED and self.cause_code == CauseCode.CANCELLED

    @property
    def rate(self) -> float:
        """PATCHes a second, planning apart; 0 before the first."""
        seconds = self.usage.elapsed - self.planning
        return self.usage.patch / seconds if seconds > 0.0 else 0.0


def as_json(summary: Summary) -> dict[str, Json]:
    """Render the object that `apply --output json` prints; an interface (docs/reference.md).

    `pending` includes targets in doubt, so that the outcomes always add up to `targets`.
    """
    info, usage = summary.info, summary.usage
    in_force = pace_in_force(summary.steering)
    return {
        "run": info.run,
        "runFile": summary.run_file,
        "plan": {"name": info.plan_name, "digest": info.plan_digest},
        **notes_as_json(info),
        "state": summary.state.value,
        "cause": summary.cause,
        "causeCode": summary.cause_code,
        "createdAt": info.created_at,
        "createdBy": info.created_by,
        "dryRun": info.dry_run,
        "undoOf": info.undo_of or None,
        "undoneBy": summary.undone_by or None,
        "targets": summary.tally.total,
        "outcomes": outcomes_as_json(summary.tally),
        "reasons": {
            outcome.value: {reason.value: count for reason, count in reasons.items()}
            for outcome, reasons in summary.reasons.items()
        },
        "requests": {"patch": usage.patch, "get": usage.get, "list": usage.list},
        "retries": usage.retries,
        "warnings": warnings_as_json(summary),
        "elapsedSeconds": round(usage.elapsed, 3),  # milliseconds: more digits are noise
        "planningSeconds": round(summary.planning, 3),
        "startedAt": rfc3339(summary.started),
        "endedAt": rfc3339(summary.ended),
        "pace": {"rate": in_force.rate, "concurrency": in_force.concurrency},
        "steering": [msgspec.to_builtins(one) for one in summary.steering],
        "clusters": [{"name": one.name, "server": one.server} for one in info.clusters],
        "waves": waves_as_json(summary),
        "window": summary.window and window_as_json(summary.window),
        "verification": summary.verification and verification_as_json(summary.verification),
        "byCluster": tallies_as_json(summary.by_cluster),
        "byKind": tallies_as_json(summary.by_kind),
        "byNamespace": tallies_as_json(summary.by_namespace),
    }


def notes_as_json(info: RunInfo) -> dict[str, Json]:
    """Render what people wrote about the run, and the clusters that it leaves out."""
    return {
        "description": info.description,
        "reason": info.reason,
        "annotations": dict(info.annotations),
        "missingClusters": dict(info.missing),
    }


def outcomes_as_json(tally: Tally) -> dict[str, int]:
    """Render the number of targets by outcome; `pending` includes targets in doubt."""
    return {
        "applied": tally.applied,
        "unchanged": tally.unchanged,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "pending": tally.open,
    }


def tallies_as_json(tallies: Mapping[str, Tally]) -> dict[str, Json]:
    """Render the outcomes of each entry; `pending` includes targets in doubt."""
    return {name: outcomes_as_json(tally) for name, tally in tallies.items()}


def waves_as_json(summary: Summary) -> list[Json]:
    """Render the waves of the run, in their order."""
    return [_wave_as_json(number, one) for number, one in enumerate(summary.waves, 1)]


def _wave_as_json(number: int, wave: WaveProgress) -> dict[str, Json]:
    return {
        "wave": number,
        "targets": wave.targets,
        "pending": wave.open,
        "lastSuccessAt": rfc3339(wave.over_at),
    }


def window_as_json(window: WindowState) -> dict[str, Json]:
    """Render the state of a window."""
    return {
        "open": window.is_open,
        "timezone": window.timezone,
        "closesAt": rfc3339(window.closes_at),
        "opensAt": rfc3339(window.opens_at),
    }


def warnings_as_json(summary: Summary) -> list[Json]:
    """Render the warnings of servers with their counts."""
    return [{"text": text, "count": count} for text, count in summary.warnings.items()]
