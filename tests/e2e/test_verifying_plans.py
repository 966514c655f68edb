"""`verify` in a plan: after the run or after each wave the objects are read again.

Covered: values that are put back while the run waits, the exit codes with and without waves, the
limit, a wait that a signal, a kill, a pause or a cancellation ends, what `resume` does then, dry
runs and undos, a closed window, the preview, clusters that do not answer.
Left out: the verb (test_verification.py), the rules (tests/rules/running/test_verification.py).
"""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import anyio
import pytest

from fleetpatch.campaign.planning.plan import expand
from fleetpatch.campaign.planning.undo import undo
from fleetpatch.campaign.running.apply import apply
from fleetpatch.campaign.settings import ApplyOptions, Settings, Stop
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState, Summary
from fleetpatch.model.verification import VerifyResult
from tests.e2e.rivals import EventfulClock, Jobs
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually, plan
from tests.plans import plan_from

BLOCK = {"kinds": ["jobs.batch"], "namespaces": ["default"], "selector": "app=etl"}
COUNT = 10


def paint(after: str = "10m", *, limit: Any = None, **more: Any) -> dict[str, Any]:
    verify = {"after": after} | ({} if limit is None else {"maxReverted": limit})
    return plan("paint", BLOCK, patch={"labels": {"team": "red"}}, verify=verify, **more)


@pytest.fixture
def server(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=0) as served:
        monkeypatch.setenv("KUBECONFIG", str(served.kubeconfig))
        yield served


@pytest.fixture
def jobs(server: SandboxServer) -> Jobs:
    return Jobs(server, COUNT)


def putting_back(jobs: Jobs, count: int) -> Callable[[], None]:
    """Return what puts the team of the first `count` jobs back that are red."""

    def put_back() -> None:
        red = [name for name in jobs.names if jobs.team(name) == "red"]
        for name in red[:count]:
            jobs.label(name, team="blue")

    return put_back


async def carried_out(
    tool: Tool, document: dict[str, Any], *events: Callable[[], None], **options: Any
) -> tuple[Summary, EventfulClock]:
    """Apply a plan; each of the events happens while a verification is awaited."""
    clock = EventfulClock(*events)
    settings = Settings(tool.state, clock=clock)
    planned = await expand(plan_from(document), settings, dry_run=options.pop("dry_run", False))
    return await apply(planned.run_file, settings, **options), clock


async def test_the_objects_are_read_some_time_after_the_last_success(
    tool: Tool, jobs: Jobs
) -> None:
    summary, clock = await carried_out(tool, paint("1h"))

    assert (summary.state, summary.cause_code) == (RunState.FINISHED, "")
    (wait,) = clock.waits
    assert 3000 < wait <= 3600
    assert summary.verification is not None
    assert summary.verification.counts[VerifyResult.HOLDS] == len(jobs.names)
    (awaited,) = [one for one in tool.log(summary.run_file) if "awaited" in one["event"]]
    assert (awaited["event"], awaited["wave"]) == ("verification.awaited", None)


async def test_a_run_of_which_values_were_put_back_is_finished_and_says_by_whom(
    tool: Tool, jobs: Jobs
) -> None:
    summary, _ = await carried_out(tool, paint(limit="30%"), putting_back(jobs, 3))

    assert (summary.state, summary.cause_code) == (RunState.FINISHED, "targets-reverted")
    assert summary.cause == "3 of 10 changed objects were reverted by flux"
    status = tool.run("status", "paint")
    assert "Cause: 3 of 10 changed objects were reverted by flux (targets-reverted)" in status.out


def test_more_of_them_than_the_limit_halt_the_run_and_resume_accepts_them(
    tool: Tool, jobs: Jobs
) -> None:
    summary, _ = anyio.run(carried_out, tool, paint(limit="20%"), putting_back(jobs, 3))
    assert (summary.state, summary.cause_code) == (RunState.HALTED, "max-reverted")
    assert summary.cause.endswith("by flux, and verify.maxReverted allows 2")
    shown = tool.run("apply", tool.write("plan.yaml", paint(limit="20%")), "--yes")
    assert shown.code == 4
    assert "(verifies the run)" in shown.out

    options = ApplyOptions(resume_halted=True)
    settings = Settings(tool.state, clock=EventfulClock())
    again = anyio.run(partial(apply, summary.run_file, settings, options=options))

    assert (again.state, again.cause_code) == (RunState.FINISHED, "targets-reverted")


def waves(**more: Any) -> dict[str, Any]:
    return paint(waves={"sizes": [2, "100%"]}, **more)


async def test_each_wave_is_verified_and_the_run_at_its_end(tool: Tool, jobs: Jobs) -> None:
    summary, clock = await carried_out(tool, waves(), putting_back(jobs, 1), putting_back(jobs, 2))

    assert len(clock.waits) == 2
    assert (summary.state, summary.cause_code) == (RunState.FINISHED, "targets-reverted")
    lines = [one for one in tool.log(summary.run_file) if one["event"] == "run.verified"]
    assert [(one["wave"], one["targets"], one["results"]["reverted"]) for one in lines] == [
        (1, 2, 1),
        (None, COUNT, 3),
    ]


async def test_too_many_reverted_objects_of_a_wave_halt_the_run_before_the_next_one(
    tool: Tool, jobs: Jobs, server: SandboxServer
) -> None:
    summary, _ = await carried_out(tool, waves(limit=0), putting_back(jobs, 1))

    assert (summary.state, summary.cause_code) == (RunState.HALTED, "max-reverted")
    assert summary.tally.open == COUNT - 2
    assert summary.cause.startswith(
        "after wave 1 of 2: 1 of 2 changed objects was reverted by flux"
    )
    sent = server.sent()
    # The verification is repeated; only --promote begins the wave without it.
    clock = EventfulClock()
    settings, halted = Settings(tool.state, clock=clock), ApplyOptions(resume_halted=True)
    repeated = await apply(summary.run_file, settings, options=halted)
    assert (repeated.state, server.sent()) == (RunState.HALTED, sent)

    promoted = ApplyOptions(resume_halted=True, promote=True)
    ended = await apply(summary.run_file, settings, options=promoted)
    assert (ended.state, ended.tally.applied) == (RunState.HALTED, COUNT)


async def test_a_wave_that_is_promoted_by_hand_is_verified_before_a_person_is_asked(
    tool: Tool, jobs: Jobs
) -> None:
    section = {"sizes": [2, "100%"], "promote": "manual"}
    summary, clock = await carried_out(tool, paint(waves=section))

    assert (summary.state, summary.cause_code) == (RunState.PAUSED, "promotion-due")
    assert len(clock.waits) == 1
    assert summary.verification is not None
    assert (summary.verification.wave, summary.verification.targets) == (1, 2)
    assert jobs.names


async def test_an_object_that_cannot_be_read_holds_the_next_wave_if_there_is_a_limit(
    tool: Tool, jobs: Jobs, server: SandboxServer
) -> None:
    summary, _ = await carried_out(tool, waves(limit="50%"), server.stop)

    assert (summary.state, summary.cause_code) == (RunState.PAUSED, "targets-unverified")
    assert "cannot be reached" in summary.cause
    assert summary.tally.open == COUNT - 2
    assert jobs.names


@pytest.mark.parametrize("code", [CauseCode.INTERRUPTED, CauseCode.PAUSE_REQUESTED])
async def test_a_session_that_ends_while_it_waits_leaves_the_run_to_be_verified(
    tool: Tool, jobs: Jobs, code: CauseCode
) -> None:
    stop = Stop()
    summary, _ = await carried_out(
        tool, paint("2h"), lambda: stop.request(Cause(code, "enough")), stop=stop
    )
    assert (summary.state, summary.cause_code) == (RunState.PAUSED, code)
    assert (summary.tally.open, summary.verification) == (0, None)
    assert "(verifies the run)" in tool.run("status", "paint").out

    clock = EventfulClock(putting_back(jobs, 1))
    ended = await apply(summary.run_file, Settings(tool.state, clock=clock))

    assert (ended.state, ended.cause_code) == (RunState.FINISHED, "targets-reverted")
    assert len(clock.waits) == 1


async def test_a_run_that_is_cancelled_while_it_waits_is_finished_and_not_verified(
    tool: Tool, jobs: Jobs
) -> None:
    stop = Stop()
    cancelled = Cause(CauseCode.CANCELLED, "cancelled by ann")
    summary, _ = await carried_out(tool, paint(), lambda: stop.request(cancelled), stop=stop)

    assert (summary.state, summary.cause_code, summary.verification) == (
        RunState.FINISHED,
        "",
        None,
    )
    assert jobs.names


def test_after_a_kill_the_rest_of_the_time_is_waited_for(tool: Tool, jobs: Jobs) -> None:
    process = tool.fork("apply", tool.write("plan.yaml", paint("1h")), "--yes")
    try:
        runs = tool.state / "runs"
        eventually(lambda: _awaits(tool), "the run waits for its verification")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        end(process)
    (run_file,) = runs.glob("*.run")
    clock = EventfulClock(putting_back(jobs, 2))

    summary = anyio.run(partial(apply, run_file, Settings(tool.state, clock=clock)))

    assert (summary.state, summary.cause_code) == (RunState.FINISHED, "targets-reverted")
    assert len(clock.waits) == 1
    assert clock.waits[0] < 3600
    assert summary.tally.applied == COUNT


def _awaits(tool: Tool) -> bool:
    """Report whether `status` says that the run waits for its verification."""
    status = tool.run("status", "paint", "-o", "json")
    return status.code == 0 and status.json["waitsFor"].startswith("the verification at 20")


async def test_a_window_that_closes_does_not_end_the_wait(tool: Tool, jobs: Jobs) -> None:
    hour = {"opens": "* * * * *", "lasts": "5m"}

    summary, _ = await carried_out(tool, paint("30m", window=hour, limits={"deadline": "20m"}))

    assert (summary.state, summary.cause_code) == (RunState.FINISHED, "")
    assert summary.verification is not None
    assert jobs.names


async def test_dry_runs_and_undos_are_not_verified(tool: Tool, jobs: Jobs) -> None:
    rehearsed, clock = await carried_out(tool, paint(), dry_run=True)
    assert (rehearsed.verification, clock.waits) == (None, [])
    done, _ = await carried_out(tool, paint())
    clock = EventfulClock()
    settings = Settings(tool.state, clock=clock)

    undone = await apply((await undo(done.run_file, settings)).run_file, settings)

    assert (undone.tally.applied, undone.verification, clock.waits) == (COUNT, None, [])
    assert jobs.names


async def test_a_run_that_changes_nothing_has_nothing_to_verify(tool: Tool, jobs: Jobs) -> None:
    await carried_out(tool, paint())

    again, clock = await carried_out(tool, paint())

    assert (again.state, again.verification, clock.waits) == (RunState.FINISHED, None, [])
    assert jobs.names


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({}, "verify.after: is missing; add it"),
        ({"after": 10}, "verify.after"),
        ({"after": "10m", "maxReverted": "101%"}, "out of range"),
        ({"after": "10m", "maxReverted": -1}, "verify.maxReverted"),
        ({"after": "10m", "limit": 1}, "verify.limit"),
    ],
)
def test_a_mistake_in_the_section_has_its_place(tool: Tool, section: Any, problem: str) -> None:
    document = plan("paint", BLOCK, patch={"labels": {"team": "red"}}, verify=section)
    ended = tool.run("validate", tool.write("plan.yaml", document))
    assert ended.code == 2
    assert problem in ended.err + ended.out


def test_the_preview_says_when_the_run_is_verified(tool: Tool, jobs: Jobs) -> None:
    file = tool.write("plan.yaml", paint("10m", limit="5%"))

    text, as_json = tool.run("plan", file), tool.run("plan", file, "-o", "json")

    assert "Verify   10 min 0 s after the last success; halts after more than 5%" in text.out
    assert as_json.json["verify"] == {"afterSeconds": 600.0, "maxReverted": "5%"}
    assert jobs.names
