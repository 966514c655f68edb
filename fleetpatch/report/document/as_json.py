"""The report as one JSON object; an interface (docs/report.md)."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from fleetpatch._version import __version__
from fleetpatch.model.fields import Json
from fleetpatch.model.outcome import OUTCOME_OF
from fleetpatch.model.run import as_json as summary_as_json
from fleetpatch.model.run import outcomes_as_json, tallies_as_json
from fleetpatch.model.timeline import Bucket, SessionRecord, Timeline
from fleetpatch.model.times import rfc3339
from fleetpatch.model.verification import verified_as_json
from fleetpatch.report.document import facts
from fleetpatch.report.document.contents import MessageGroup, RunPart, RunReport
from fleetpatch.report.summary import steps
from fleetpatch.report.targets import as_json as target_as_json

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def report_as_json(report: RunReport) -> dict[str, Json]:
    """Return the object of `report --json`."""
    usage = report.usage
    return {
        "name": report.name,
        "madeAt": rfc3339(report.made_at),
        "version": __version__,
        "totals": {
            "runs": len(report.runs),
            "targets": report.tally.total,
            "outcomes": outcomes_as_json(report.tally),
            "inDoubt": report.tally.in_doubt,
            "reasons": {
                outcome.value: {reason.value: count for reason, count in reasons.items()}
                for outcome, reasons in report.reasons.items()
            },
            "requests": {"patch": usage.patch, "get": usage.get, "list": usage.list},
            "retries": usage.retries,
            "elapsedSeconds": round(usage.elapsed, 3),
        },
        "runs": [_run(part) for part in report.runs],
        "byCluster": tallies_as_json(report.by(lambda one: one.by_cluster)),
        "byKind": tallies_as_json(report.by(lambda one: one.by_kind)),
        "byNamespace": tallies_as_json(report.by(lambda one: one.by_namespace)),
        "samples": [target_as_json(one) for one in report.samples],
        "messages": [_group(report, one) for one in report.groups],
        "attempts": [
            {
                "outcome": OUTCOME_OF[one.reason].value,
                "reason": one.reason.value,
                "attempts": one.attempts,
                "read": one.was_read,
                "count": one.count,
            }
            for one in report.efforts
        ],
        "warnings": [{"text": text, "count": count} for text, count in report.warnings.items()],
        "timeline": _timeline(report.timeline),
        "undosUnderWay": list(report.undos),
    }


def _run(part: RunPart) -> dict[str, Json]:
    # With a single run, its places are in the tables of the whole report.
    return summary_as_json(part.summary) | {
        "runDigest": part.digest,
        "sessions": [_session(one) for one in part.sessions],
        "waves": [
            {
                "wave": one.number,
                "targets": one.targets,
                "pending": one.pending,
                "beganAt": rfc3339(one.began),
                "endedAt": rfc3339(one.ended),
            }
            for one in part.waves
        ],
        "openings": [
            {"opensAt": rfc3339(opens), "closesAt": rfc3339(closes)}
            for opens, closes in part.openings
        ],
        "notHolding": [verified_as_json(one) for one in part.not_holding],
        "commands": [{"command": one.command, "effect": one.effect} for one in steps(part.summary)],
    }


def _session(one: SessionRecord) -> dict[str, Json]:
    return {
        "beganAt": rfc3339(one.began),
        "endedAt": rfc3339(one.ended),
        "by": one.who,
        "state": one.state,
        "cause": one.cause,
        "causeCode": one.cause_code,
    }


def _group(report: RunReport, group: MessageGroup) -> dict[str, Json]:
    return {
        "outcome": group.outcome.value,
        "reason": group.reason.value,
        "message": group.message,
        "count": group.count,
        "runs": dict(group.runs),
        "samples": [target_as_json(one) for one in group.samples],
        "commands": list(facts.commands_of(report, group)),
    }


def _timeline(timeline: Timeline) -> Json:
    if not timeline:
        return None
    return {"widthSeconds": timeline.width, "buckets": list(_buckets(timeline))}


def _buckets(timeline: Timeline) -> Iterator[dict[str, Json]]:
    for start, bucket in timeline.buckets.items():
        yield {
            "startsAt": rfc3339(start),
            "seconds": round(bucket.seconds, 3),
            "ended": _counts(bucket.ended),
            "answers": _counts(bucket.answers),
            "reads": _counts(bucket.reads),
            "retries": _counts(bucket.retries),
            "latencyMs": _latency(bucket),
            "inFlight": round(bucket.per_second(bucket.in_flight), 2),
            "mostInFlight": bucket.most,
            "allowed": round(bucket.per_second(bucket.allowed), 2),
            "limitedBySeconds": {name: round(one, 3) for name, one in bucket.limits.items()},
        }


def _counts(counts: Any) -> Json:
    return dict(sorted(counts.items()))


def _latency(bucket: Bucket) -> dict[str, Json]:
    found = {name: bucket.latency(share) for name, share in _QUANTILES.items()}
    return {name: None if one is None else round(one * 1000, 1) for name, one in found.items()}


def json_text(report: RunReport) -> str:
    """Return the object as text in one line."""
    return msgspec.json.encode(report_as_json(report)).decode()
