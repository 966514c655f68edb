"""The events of the log: one function for each event, and nothing else writes it.

Names and fields are an interface; docs/reference.md ("Log") documents them, and
tests/engine/test_events.py compares the two. The functions take values of `model` and `rules`, so
the code that calls them does not depend on the fields of a line. They raise LogError, as the port
`Events` does; `FailsafeLog` reports it once instead.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby, starmap
from typing import Any, Final

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.errors import LogError
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Settlement
from fleetpatch.model.pace import Pace
from fleetpatch.model.ports import Events
from fleetpatch.model.run import RunInfo, RunState, Summary, as_json
from fleetpatch.model.steering import Request
from fleetpatch.model.target import TargetIdentity, identity_as_json
from fleetpatch.model.target_line import TargetLine
from fleetpatch.model.verification import Verification, verification_as_json


class FailsafeLog:
    """Wraps another `Events`; `on_failure` is called with its first error, as a cause.

    After that error nothing more is written. Requests that are in flight when the log fails must
    still be recorded in the run file, so the error is not raised where events are emitted.
    """

    def __init__(self, events: Events, on_failure: Callable[[Cause], None]) -> None:
        self._events = events
        self._on_failure = on_failure
        self._failed = self._was_flushed = False

    def info(self, event: str, **fields: Any) -> None:
        """Write a line, if the log still works."""
        self._try(self._events.info, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write a line that a person should look at, if the log still works."""
        self._try(self._events.warning, event, **fields)

    def targets(self, level: str, event: str, lines: Iterable[TargetLine]) -> None:
        """Write a line for each target, if the log still works."""
        self._try(self._events.targets, level, event, lines)

    def flush(self) -> None:
        """Write all lines to the operating system, if the log still works."""
        self._was_flushed = True
        self._try(self._events.flush)

    def flush_if_due(self) -> None:
        """Flush, unless that was done since the last call; called about once a second.

        Lines of retries are written with the next outcomes. In an outage there are none.
        """
        if not self._was_flushed:
            self.flush()
        self._was_flushed = False

    def _try(self, write: Callable[..., Any], *words: Any, **fields: Any) -> None:
        if self._failed:
            return
        try:
            write(*words, **fields)
        except LogError as error:
            self._failed = True
            self._on_failure(Cause(CauseCode.LOG_FAILED, str(error)))


class SilentEvents:
    """Implements the port `Events` and writes nothing: a worker's coordinator has the log."""

    def info(self, event: str, **fields: Any) -> None:
        """Do nothing."""

    def warning(self, event: str, **fields: Any) -> None:
        """Do nothing."""

    def targets(self, level: str, event: str, lines: Iterable[TargetLine]) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""


# The run


def plan_expanded(log: Events, summary: Summary) -> None:
    """A plan was expanded into the targets that `summary` counts."""
    info, tally = summary.info, summary.tally
    log.info(
        "plan.expanded",
        plan=info.plan_name,
        digest=info.plan_digest,
        by=info.created_by,
        reason=info.reason,
        annotations=info.annotations,
        version=info.tool_version,
        targets=tally.total,
        pending=tally.pending,
        unchanged=tally.unchanged,
        skipped=tally.skipped,
        inconsistent=summary.inconsistent,
        missing=info.missing,
        dry_run=info.dry_run,
    )


def run_started(
    log: Events, info: RunInfo, *, by: str, pid: int, version: str, servers: Mapping[str, str]
) -> None:
    """A session begins; `by`, `pid` and `version` are its own, `servers` the URLs by cluster."""
    log.info(
        "run.started",
        plan=info.plan_name,
        digest=info.plan_digest,
        undo_of=info.undo_of,
        reason=info.reason,
        annotations=info.annotations,
        by=by,
        pid=pid,
        version=version,
        servers=servers,
        dry_run=info.dry_run,
    )


def apply_refused(log: Events, *, plan: str, cause: Cause, exit_code: int) -> None:
    """A plan was not carried out, for a cause from before there was a run."""
    log.warning(
        "apply.refused", plan=plan, cause=cause.text, cause_code=cause.code, exit_code=exit_code
    )


_TABLES: Final = frozenset({"byCluster", "byKind", "byNamespace", "clusters", "waves"})
"""What a line of the log leaves out of a summary: it may have thousands of entries."""


def run_finished(log: Events, summary: Summary) -> None:
    """A session ended, in whatever state."""
    # A warning is an event that a person should look at: every other state needs one to continue.
    write = log.info if summary.state is RunState.FINISHED else log.warning
    fields = {key: value for key, value in as_json(summary).items() if key not in _TABLES}
    write("run.finished", **fields | {"run": summary.info.run})


def run_steered(log: Events, request: Request) -> None:
    """The session follows the request of a person: to pause, to cancel, or to change the pace."""
    log.warning(
        "run.steered",
        action=request.action,
        by=request.by,
        at=request.at,
        reason=request.reason,
        rate=request.rate,
        concurrency=request.concurrency,
        reset=request.reset,
    )
    log.flush()


def control_failed(log: Events, detail: str) -> None:
    """Requests cannot be read, or the heartbeat cannot be written; the run goes on."""
    log.warning("control.failed", detail=detail)
    log.flush()


def metrics_failed(log: Events, detail: str) -> None:
    """Metrics cannot be written or pushed; the run goes on."""
    log.warning("metrics.failed", detail=detail)
    log.flush()


# Clusters


def cluster_insecure(log: Events, cluster: str, server: str) -> None:
    """The kubeconfig switches off the check of the server's certificate."""
    log.warning("cluster.insecure", cluster=cluster, server=server)


def kubeconfig_warning(log: Events, cluster: str, detail: str) -> None:
    """The kubeconfig of a cluster holds something that is ignored."""
    log.warning("kubeconfig.warning", cluster=cluster, detail=detail)


def server_warning(log: Events, cluster: str, detail: str) -> None:
    """A server sent a `Warning` header."""
    log.warning("server.warning", cluster=cluster, detail=detail)


def pace_changed(log: Events, cluster: str, old: Pace, new: Pace, now: float) -> None:
    """The pace of a cluster changed; `now` is on the monotonic clock, as `new.until` is."""
    # Relative, since readers of the log do not know our monotonic clock.
    resumes = {} if new.until is None else {"resumes_in_s": round(new.until - now, 1)}
    log.info(
        "pace.changed",
        cluster=cluster,
        cause=new.cause,
        old=_pace_fields(old),
        new=_pace_fields(new),
        **resumes,
    )
    # It may be a pause, in which no outcome flushes the log. Changes are reported rarely.
    log.flush()


def _pace_fields(pace: Pace) -> dict[str, Any]:
    rate = None if pace.rate is None else round(pace.rate, 1)
    return {"concurrency": pace.concurrency, "rate": rate, "cause": pace.cause}


# Workers


def worker_joined(log: Events, worker: str, *, address: str) -> None:
    """A worker takes part in the session; `address` is its own in the Dask cluster."""
    log.info("worker.joined", worker=worker, address=address)


def worker_refused(log: Events, worker: str, *, detail: str) -> None:
    """A worker that came during the session cannot take part."""
    log.warning("worker.refused", worker=worker, detail=detail)


def worker_lost(log: Events, worker: str, *, detail: str, clusters: int) -> None:
    """A worker is silent or gone; others continue its `clusters`."""
    log.warning("worker.lost", worker=worker, detail=detail, clusters=clusters)
    log.flush()


def shard_started(log: Events, cluster: str, *, worker: str) -> None:
    """A worker sends the requests of a cluster from now on."""
    log.info("shard.started", cluster=cluster, worker=worker)


# What a session waits for. Events before a wait are flushed, so that a reader of the log sees why
# nothing happens while it lasts.


def lease_awaited(log: Events, lease: str, *, holder: str, since: str) -> None:
    """Another process holds the Lease, or did so when it died."""
    log.info("lease.awaited", lease=lease, holder=holder, since=since)
    log.flush()


def lease_acquired(log: Events, lease: str, *, holder: str, former: str) -> None:
    """This process, `holder`, holds the Lease; `former` is the holder before it, or empty."""
    log.info("lease.acquired", lease=lease, holder=holder, former=former)
    log.flush()


def lease_released(log: Events, lease: str) -> None:
    """The Lease was released."""
    log.info("lease.released", lease=lease)
    log.flush()


def lease_not_renewed(log: Events, lease: str, detail: str) -> None:
    """A renewal failed; it is tried again until the deadline."""
    log.warning("lease.not-renewed", lease=lease, detail=detail)


def lease_lost(log: Events, lease: str, detail: str) -> None:
    """The Lease was lost, so nothing more may be sent."""
    log.warning("lease.lost", lease=lease, detail=detail)


def window_awaited(log: Events, detail: str) -> None:
    """The window is closed; `detail` says when it opens."""
    log.info("window.awaited", detail=detail)
    log.flush()


def wave_started(log: Events, *, wave: int, of: int, targets: int) -> None:
    """A wave begins; waves are numbered from 1, and `targets` is the number of its open targets."""
    log.info("wave.started", wave=wave, of=of, targets=targets)


def wave_paused(log: Events, *, wave: int, of: int, until: str) -> None:
    """A wave is complete; the next one begins at `until` (RFC 3339) at the earliest."""
    log.info("wave.paused", wave=wave, of=of, until=until)
    log.flush()


def wave_promoted(log: Events, *, wave: int, of: int) -> None:
    """A person started the wave without the pause and the check before it (`--promote`)."""
    log.info("wave.promoted", wave=wave, of=of)


def verification_awaited(log: Events, *, wave: int | None, until: str) -> None:
    """The objects of a wave, or (None) of the run, are read again at `until` (RFC 3339)."""
    log.info("verification.awaited", wave=wave, until=until)
    log.flush()


def run_verified(log: Events, verification: Verification) -> None:
    """The objects of a wave, or of the run, were read again."""
    fields = verification_as_json(verification)
    # A warning is an event that a person should look at.
    write = log.info if verification.all_hold else log.warning
    write("run.verified", **{name: fields[name] for name in _VERIFIED})
    log.flush()


_VERIFIED: Final = ("by", "wave", "targets", "results", "managers")

# Targets

_SETTLED: Final = {outcome: f"target.{outcome}" for outcome in Outcome}


def attempt_retried(log: Events, record: RetryRecord) -> None:
    """An attempt will be repeated after a wait."""
    log.info(
        "attempt.retried",
        **identity_as_json(record.target),
        attempts=record.attempt,
        http_status=record.http_status,
        verdict=record.verdict,
        wait_ms=round(record.wait * 1000, 1),
        detail=record.detail,
    )


def target_settled(log: Events, ended: Iterable[tuple[TargetIdentity, Settlement]]) -> None:
    """Targets ended; the outcome is part of the event's name."""
    for outcome, alike in groupby(ended, key=_outcome):
        level = "warning" if outcome is Outcome.FAILED else "info"
        log.targets(level, _SETTLED[outcome], starmap(_line, alike))


def _outcome(ended: tuple[TargetIdentity, Settlement]) -> Outcome:
    return OUTCOME_OF[ended[1].reason]


def _line(target: TargetIdentity, settlement: Settlement) -> TargetLine:
    return TargetLine(
        target.cluster,
        target.kind,
        target.namespace,
        target.name,
        target.uid,
        settlement.reason,
        settlement.http_status,
        settlement.attempts,
        settlement.elapsed_ms,
        settlement.detail,
    )
