"""The spans of a run: its waves, its clusters, and a sample of its attempts.

A cluster has a span for each wave. One PATCH a second of each cluster has a span of its own, and
asks the server to trace it, too; the others carry the header of the cluster's span and do not ask.
Retried attempts and failed targets are events of the cluster's span.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from math import inf
from typing import Final, TypeAlias

from anyio.streams.memory import MemoryObjectSendStream

from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.pipeline import RunLane, Runnable
from fleetpatch.engine.writer import Ended
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.answer import Reply, status_and_text
from fleetpatch.model.cause import by_gravity
from fleetpatch.model.change import PatchRequest
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.ports import Clock, PatchedCluster
from fleetpatch.model.run import RunInfo, RunState, Summary
from fleetpatch.model.target import Target, TargetIdentity
from fleetpatch.model.tracing import NoSpan, Span, Value

SAMPLE_INTERVAL: Final = 1.0
"""Seconds between two attempts of one cluster that have spans."""

OnSettled: TypeAlias = Callable[[Target, Settlement], None]
OnReported: TypeAlias = Callable[[Ended], None]


def run_span(info: RunInfo, settings: Settings) -> AbstractContextManager[Span]:
    """Begin the span of a session of a run."""
    return settings.span.child(
        "run",
        {
            "fleetpatch.run": info.run,
            "fleetpatch.plan": info.plan_name,
            "fleetpatch.digest": info.plan_digest,
            "fleetpatch.dry_run": info.dry_run,
            "fleetpatch.undo_of": info.undo_of,
        },
    )


def note_end(span: Span, summary: Summary) -> None:
    """Note in the span of a session how it ended."""
    tally = summary.tally
    counts: dict[str, Value] = {
        "applied": tally.applied,
        "unchanged": tally.unchanged,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "open": tally.open,
    }
    ended = {"fleetpatch.state": summary.state.value, "fleetpatch.cause_code": summary.cause_code}
    span.note(ended | {f"fleetpatch.targets.{name}": count for name, count in counts.items()})
    if summary.state is not RunState.FINISHED:
        span.fail(summary.cause)


class Traces:
    """The spans of one run, below `run`."""

    def __init__(self, run: Span | None = None) -> None:
        self._above: Span = run or NoSpan()
        self._clusters: dict[str, Span] = {}

    def of(self, cluster: str) -> Span:
        """Return the span of a cluster; before it begins, the one that it will be below."""
        return self._clusters.get(cluster, self._above)

    def patched(self, cluster: ApiServer, clock: Clock) -> PatchedCluster:
        """Return the same cluster, with spans if there are traces."""
        if not self._above.is_on:
            return cluster
        return TracedCluster(cluster, lambda: self.of(cluster.name), clock)

    def lanes(self, lanes: Sequence[RunLane]) -> Sequence[Runnable]:
        """Return the same lanes, with spans if there are traces."""
        return [_TracedLane(lane, self) for lane in lanes] if self._above.is_on else lanes

    @asynccontextmanager
    async def wave(self, number: int, of: int) -> AsyncIterator[None]:
        """Put the spans of the block below that of a wave, counted from 1."""
        above = self._above
        attributes = {"fleetpatch.wave": number, "fleetpatch.waves": of}
        with above.child("wave", attributes) as span:
            self._above = span
            try:
                yield
            finally:
                self._above = above

    async def run(self, lane: RunLane, outbox: MemoryObjectSendStream[Ended]) -> None:
        """Run a lane within the span of its cluster."""
        attributes = {"fleetpatch.cluster": lane.cluster}
        with self._above.child("cluster", attributes) as span:
            self._clusters[lane.cluster] = span
            await lane.run(outbox)
            for cause in by_gravity(lane.causes)[:1]:
                span.note({"fleetpatch.cause_code": cause.code.value})
                span.fail(cause.text)

    def settling(self, settled: OnSettled) -> OnSettled:
        """Return `settled`, which also notes failed targets if there are traces."""
        if not self._above.is_on:
            return settled

        def noting(target: Target, settlement: Settlement) -> None:
            settled(target, settlement)
            self._note(target, settlement)

        return noting

    def reporting(self, reported: OnReported) -> OnReported:
        """Do the same for what a worker reports together."""
        if not self._above.is_on:
            return reported

        def noting(ended: Ended) -> None:
            reported(ended)
            for target, settlement in ended:
                self._note(target, settlement)

        return noting

    def _note(self, target: TargetIdentity, settlement: Settlement) -> None:
        if settlement.outcome is Outcome.FAILED:
            self.of(target.cluster).event(
                "target.failed",
                {
                    **_identity(target),
                    "fleetpatch.reason": settlement.reason.value,
                    "fleetpatch.detail": settlement.detail,
                    **_status(settlement.http_status),
                },
            )

    def retried(self, record: RetryRecord) -> None:
        """Note an attempt that will be repeated."""
        span = self.of(record.target.cluster)
        if span.is_on:
            span.event(
                "attempt.retried",
                {
                    **_identity(record.target),
                    "fleetpatch.attempt": record.attempt,
                    "fleetpatch.verdict": record.verdict.value,
                    "fleetpatch.detail": record.detail,
                    "fleetpatch.wait": record.wait,
                    **_status(record.http_status),
                },
            )


class TracedCluster:
    """A cluster whose PATCHes join the trace of the span that `span_of` returns."""

    def __init__(self, cluster: ApiServer, span_of: Callable[[], Span], clock: Clock) -> None:
        self.name, self.get, self.renew = cluster.name, cluster.get, cluster.renew
        self._patch = cluster.patch
        self._span_of, self._clock = span_of, clock
        self._sampled_at = -inf

    async def patch(
        self, target: Target, request: PatchRequest, *, whole: bool, dry_run: bool
    ) -> Reply:
        """Send one PATCH."""
        span, now = self._span_of(), self._clock.monotonic()
        if now - self._sampled_at < SAMPLE_INTERVAL:
            header = span.traceparent(sampled=False)
            return await self._patch(
                target, request, whole=whole, dry_run=dry_run, traceparent=header
            )
        self._sampled_at = now
        attributes = {"http.request.method": "PATCH", **_identity(target)}
        with span.child("PATCH", attributes, is_request=True) as attempt:
            header = attempt.traceparent(sampled=True)
            reply = await self._patch(
                target, request, whole=whole, dry_run=dry_run, traceparent=header
            )
            status, text = status_and_text(reply)
            attempt.note(_status(status))
            if status is None or status >= 400:  # noqa: PLR2004 - the first error of HTTP
                attempt.fail(text)
            return reply


class _TracedLane:
    def __init__(self, lane: RunLane, traces: Traces) -> None:
        self._lane, self._traces = lane, traces

    async def run(self, outbox: MemoryObjectSendStream[Ended]) -> None:
        await self._traces.run(self._lane, outbox)


def _identity(target: TargetIdentity) -> dict[str, str]:
    return {
        "fleetpatch.cluster": target.cluster,
        "fleetpatch.kind": target.kind,
        "k8s.namespace.name": target.namespace,
        "fleetpatch.name": target.name,
        "fleetpatch.uid": target.uid,
    }


def _status(status: int | None) -> dict[str, int]:
    return {} if status is None else {"http.response.status_code": status}
