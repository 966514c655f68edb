"""Run files of any size for the tests of the report, made without a server.

`made_run` makes a run with every outcome, several clusters, kinds and namespaces, waves, two
sessions, a timeline and warnings. `HOSTILE` texts are what a malicious cluster may send.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from fleetpatch.journal import queries, sessions
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.verification import VerificationTable
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.fields import ABSENT, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.plan.digest import canonical, digest
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ClusterInfo, RunInfo, RunState, Usage
from fleetpatch.model.target import Seen, Target
from fleetpatch.model.timeline import Bucket, Timeline
from fleetpatch.model.units import Percent
from fleetpatch.model.verification import Verified, VerifyResult
from tests.plans import plan_from

BEGAN: Final = 1_772_330_400.0
"""When the first session of a made run begins, in seconds since the epoch: 2026-03-01T02:00:00Z."""

KINDS: Final = (
    Resource("batch", "v1", "jobs", "Job"),
    Resource("batch.volcano.sh", "v1alpha1", "jobs", "Job"),
    Resource("kubeflow.org", "v1", "tfjobs", "TFJob"),
)
HOSTILE: Final = (
    "<script>window.pwned = 1</script>",
    "<img src=x onerror=\"window.pwned = 1\"><iframe src='https://evil.example'></iframe>",
    "\"'></td></table><style>body{display:none}</style><!-- ",
    "{{ 7 * 7 }}{% for x in ().__class__.__mro__ %}",
    "\x1b[31mred\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "\u202egnp.exe\u2066 right to left \u200f",
    "[click](javascript:alert(1)) @everyone | `code` ~~gone~~ # title",
    '=HYPERLINK("https://evil.example","open")',
    "m" * 2**20,
)
"""What a malicious cluster may send as a message, a name or a value."""

_CHUNK: Final = 20_000
_WAVES_FROM: Final = 100
_FAILED: Final = 37
_SKIPPED: Final = 23
_LOST: Final = 41

Message = Callable[[int], str]
"""Returns the message of the failed or skipped target of this number."""


def numbered(number: int) -> str:
    """Return a message that names its object, so that each one is different."""
    return f'admission webhook "quota.example.com" denied the request: job-{number} needs 7 GPUs'


def a_plan(name: str = "relabel", **more: object) -> Plan:
    """Return the plan of a made run."""
    document = {
        "metadata": {"name": name, "description": "Move the jobs to the new cost centre."},
        "targets": [{"kinds": ["jobs.batch"], "selector": "app"}],
        "patch": {"labels": {"cost-centre": "4711", "team": None}},
    }
    return plan_from(document | more)


def an_info(plan: Plan, clusters: int = 3) -> RunInfo:
    """Return the facts of a run of `plan`."""
    return RunInfo(
        run="relabel-20260301T0200Z-00000a",
        plan_name=plan.name,
        plan_digest=digest(plan),
        plan=canonical(plan),
        created_at="2026-03-01T02:00:00Z",
        created_by="olga@bastion",
        tool_version="0.1.0",
        clusters=tuple(
            ClusterInfo(f"prod-{one}", f"https://10.0.0.{one}:6443") for one in range(clusters)
        ),
        reason="the yearly accounting",
        description=plan.metadata.description,
        annotations={"ticket": "OPS-4711"},
    )


def made_run(
    path: Path,
    targets: int,
    *,
    info: RunInfo | None = None,
    namespaces: int = 40,
    message: Message = numbered,
    value: str = "ml",
    name: str = "job",
) -> Path:
    """Make a finished run of so many targets; every 37th fails, and every 23rd is skipped."""
    plan = a_plan()
    moment = [BEGAN]
    with RunFile.create(path, info or an_info(plan), now=lambda: moment[0]) as run:
        for page in _pages(run, targets, namespaces, value, name):
            run.add(page)
        run.seal(sizes=[10, Percent(10), Percent(100)] if targets >= _WAVES_FROM else ())
        session = sessions.begin(run, moment[0], "olga@bastion")
        for ends in run.waves or [{}]:
            for cluster in run.clusters.values():
                while claimed := run.claim(cluster, limit=_CHUNK, last=ends.get(cluster)):
                    moment[0] += len(claimed) / 500
                    run.new_timeline = _observed(moment[0], len(claimed))
                    run.record(_settled(one, message) for one in claimed)
            moment[0] += 300.0
        run.new_timeline = Timeline
        run.count(Usage(targets, targets // 40, 12, targets // 50, targets / 500), {value: 3})
        cause = Cause(CauseCode.TARGETS_FAILED, "some targets failed")
        sessions.end(run, session, moment[0], RunState.FINISHED, cause, partly=False)
    return path


def _pages(
    run: RunFile, targets: int, namespaces: int, value: str, name: str
) -> Iterator[list[Draft]]:
    before = {label("cost-centre"): ABSENT, label("team"): value}
    clusters = list(run.clusters.values())
    for start in range(0, targets, _CHUNK):
        yield [
            Draft(
                clusters[number % len(clusters)],
                KINDS[number % len(KINDS)],
                Seen(f"team-{number % namespaces:05}", f"{name}-{number:07}", f"uid-{number}", "7"),
                before,
                0,
            )
            for number in range(start, min(start + _CHUNK, targets))
        ]


def _settled(target: Target, message: Message) -> Settlement:
    number = int(target.id)
    if number % _FAILED == 0:
        return Settlement(target.id, Reason.REJECTED, 403, 1, 1, 30.0, None, message(number))
    if number % _SKIPPED == 0:
        return Settlement(target.id, Reason.DRIFTED, 409, 1, 1, 40.0, None, message(number))
    if number % _LOST == 0:
        return Settlement(target.id, Reason.SETTLED_BY_READING, None, 1, 1, 900.0, "8")
    return Settlement(target.id, Reason.PATCHED, 200, 1 + (number % 50 == 0), 0, 20.0, "8")


def _observed(now: float, claimed: int) -> Callable[[], Timeline]:
    """Return what is observed while these targets are sent: a bucket every two seconds."""
    new = Timeline()
    seconds = max(1, claimed // 1000)
    each = claimed // seconds
    for second in range(seconds):
        bucket = Bucket(
            2.0,
            {"applied": each - each // 20, "failed": each // 40, "skipped": each // 40},
            {"200": each, "409": each // 20, "429": each // 30, "timeout": each // 100},
            {"200": each // 20},
            {"retry": each // 30, "conflict": each // 20},
            {5: each // 2, 8: each // 3, 14: each // 50},
            in_flight=2.0 * (20 + second % 9),
            allowed=64.0,
            most=20 + second % 9,
            limits={"rate": 1.5, "latency": 0.5} if second % 5 else {"refusals": 2.0},
        )
        new.add(now - 2 * (seconds - second), bucket)
    remaining = [new]
    return lambda: remaining.pop() if remaining else Timeline()


def a_month_later(info: RunInfo) -> RunInfo:
    """Return the facts of the next run of the same plan."""
    later = "2026-04-01T02:00:00Z"
    return replace(info, run="relabel-20260401T0200Z-00000b", created_at=later)


def hostile_run(path: Path) -> Path:
    """Make a run in which all that clusters send, and all texts of the run file, are `HOSTILE`."""
    short = HOSTILE[:-1]
    clusters = tuple(
        ClusterInfo(one, one, one, missing=one if one == short[0] else "") for one in short
    )
    info = replace(
        an_info(a_plan()),
        reason=short[0],
        description=short[1],
        created_by=short[5],
        annotations=dict(zip(short, reversed(short), strict=True)),
        clusters=clusters,
    )
    made_run(
        path,
        370,
        info=info,
        message=lambda number: HOSTILE[number % len(HOSTILE)],
        value="\n".join(short),
        name="x" * 200,
    )
    with RunFile.open(path, write=True) as run:
        run.new_timeline = _hostile_timeline
        run.count(Usage(), dict.fromkeys(HOSTILE, 7))
        number = sessions.begin(run, BEGAN, short[0])
        cause = Cause(CauseCode.CHECK_FAILED, short[2])
        sessions.end(run, number, BEGAN + 9, RunState.HALTED, cause, partly=False)
        found = VerificationTable(run)
        for one in queries.targets(run):
            detail = HOSTILE[int(one.target.id) % len(HOSTILE)]
            found.add([(one.target, Verified(VerifyResult.REVERTED, short[1], BEGAN, detail))])
        found.finish(BEGAN, BEGAN + 1, short[0], 0)
    return path


def _hostile_timeline() -> Timeline:
    found = Timeline()
    counts = dict.fromkeys(HOSTILE[:-1], 400)
    limits = dict.fromkeys(HOSTILE[:-1], 1.0)
    found.add(BEGAN + 5, Bucket(1.0, counts, counts, counts, counts, {10**9: 5}, limits=limits))
    return found
