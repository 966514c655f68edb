"""A run that people steer while it is live, and after: pause, cancel and pace.

Covered: a run slowed down and sped up from a second terminal; a pause and a cancellation, while
requests are sent and between two waves; what log, status and run file say of it; runs without a
session; --rate and --concurrency; a session on another machine; a process that was killed.
Left out: the ceilings themselves (tests/engine/test_pacer.py), the files (tests/journal).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import msgspec
import pytest

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import control, heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeat
from fleetpatch.model.live import Holder, Live, Report
from fleetpatch.model.run import RunState
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually, plan

JOBS = 400
BATCH_JOBS = JOBS // 5


def paint(rate: str = "1000/s", **more: Any) -> dict[str, Any]:
    return plan(
        "paint",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"colour": "red"}},
        pace={"rate": rate, "burst": 1, "concurrency": 4},
        **more,
    )


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=JOBS) as served:
        yield served


@contextmanager
def applying(tool: Tool, server: SandboxServer, *words: str, **more: Any) -> Iterator[Popen[str]]:
    """A run that has sent some of its patches, and would take minutes for the others."""
    sent = server.sent()
    process = tool.fork(
        "apply", tool.write("plan.yaml", paint("1/s", **more)), "--yes", "-o", "json", *words
    )
    try:
        eventually(lambda: server.sent() >= sent + 2, "some patches")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            end(process)


def status(tool: Tool, run: object = "paint") -> Any:
    return tool.run("status", run, "-o", "json").json


def rests_at(tool: Tool, rate: float) -> bool:
    """Return whether a run has this rate, and no request in flight."""
    seen = status(tool)
    return bool(seen["pace"]["rate"] == rate and seen["inFlight"] == 0)


def events(tool: Tool, event: str) -> list[dict[str, Any]]:
    (log,) = (tool.state / "runs").glob("paint-*.jsonl")
    return [line for line in tool.log(log) if line["event"] == event]


def test_a_run_is_slowed_down_and_sped_up_from_a_second_terminal(
    tool: Tool, server: SandboxServer
) -> None:
    with applying(tool, server) as process:
        digest = status(tool)["plan"]["digest"]

        slower = tool.run("pace", "paint", "--rate", "1/h", "--reason", "the server is slow")
        assert slower.code == 0, slower.err
        assert "pace set by" in slower.out
        assert "1/h: the server is slow" in slower.out
        eventually(lambda: rests_at(tool, 1 / 3600), "the status shows it")
        sent, before = server.sent(), status(tool)["elapsedSeconds"]
        # At the rate of the plan it would send two more meanwhile.
        eventually(lambda: status(tool)["elapsedSeconds"] > before + 2, "the session goes on")
        assert server.sent() == sent

        faster = tool.run("pace", "paint", "--rate", "5000/s", "--concurrency", "32")
        assert faster.code == 0, faster.err
        result = end(process)

    assert result.code == 0, result.err
    assert result.json["outcomes"]["applied"] == BATCH_JOBS == server.sent()
    assert result.json["plan"]["digest"] == digest
    assert result.json["pace"] == {"rate": 5000.0, "concurrency": 32}
    assert [one["reason"] for one in events(tool, "run.steered")] == ["the server is slow", ""]
    assert "Steered:  pace set by" in tool.run("status", "paint").out


def test_a_reset_goes_back_to_the_pace_of_the_plan(tool: Tool, server: SandboxServer) -> None:
    with applying(tool, server):
        assert tool.run("pace", "paint", "--concurrency", "2").code == 0
        eventually(lambda: status(tool)["pace"]["concurrency"] == 2, "the status shows it")

        assert tool.run("pace", "paint", "--reset").code == 0

        eventually(lambda: status(tool)["pace"]["concurrency"] is None, "the status shows it")


def test_a_paused_run_ends_with_5_and_goes_on_by_resume(tool: Tool, server: SandboxServer) -> None:
    with applying(tool, server) as process:
        paused = tool.run("pause", "paint", "--reason", "lunch")
        assert paused.code == 0, paused.err
        result = end(process)

    assert result.code == 5, result.err
    assert (result.json["state"], result.json["causeCode"]) == ("paused", "pause-requested")
    assert "lunch" in result.json["cause"]
    assert result.json["outcomes"]["pending"] > 0
    assert [one["action"] for one in events(tool, "run.steered")] == ["pause"]

    resumed = tool.run("resume", "paint", "--rate", "1000/s", "-o", "json")

    assert resumed.code == 0, resumed.err
    assert resumed.json["outcomes"]["applied"] == BATCH_JOBS == server.sent()


def test_a_cancelled_run_ends_with_4_and_apply_plans_again_and_undo_puts_back(
    tool: Tool, server: SandboxServer
) -> None:
    with applying(tool, server) as process:
        cancelled = tool.run("cancel", "paint", "--reason", "wrong colour")
        assert cancelled.code == 0, cancelled.err
        result = end(process)

    assert result.code == 4, result.err
    assert (result.json["state"], result.json["causeCode"]) == ("halted", "cancelled")
    assert "wrong colour" in result.json["cause"]
    first, applied = result.json["run"], result.json["outcomes"]["applied"]

    undone = tool.run("undo", first, "--yes", "--rate", "1000/s", "-o", "json")
    assert undone.code == 0, undone.err
    assert undone.json["outcomes"]["applied"] == applied

    again = tool.run("apply", "plan.yaml", "--yes", "--rate", "1000/s", "-o", "json")
    assert again.code == 0, again.err
    assert again.json["run"] != first
    assert again.json["outcomes"]["applied"] == BATCH_JOBS


def test_a_run_that_waits_between_two_waves_is_paused(tool: Tool, server: SandboxServer) -> None:
    with applying(tool, server, waves={"sizes": [2, "100%"], "pause": "1h"}) as process:
        eventually(lambda: bool(status(tool)["wave"]["startsAt"]), "the pause of a wave")
        seen = status(tool)
        assert (seen["wave"]["number"], seen["wave"]["of"]) == (2, 2)
        assert [wave["pending"] for wave in seen["waves"]] == [0, BATCH_JOBS - 2]
        assert "begins at" in tool.run("status", "paint").out

        assert tool.run("pause", "paint").code == 0
        result = end(process)

    assert (result.code, result.json["causeCode"]) == (5, "pause-requested")


def planned(tool: Tool) -> str:
    result = tool.run("plan", tool.write("plan.yaml", paint()), "-o", "json")
    assert result.code == 0, result.err
    run: str = result.json["run"]
    return run


def test_the_pace_of_a_run_without_a_session_holds_for_its_next_one(
    tool: Tool, server: SandboxServer
) -> None:
    run = planned(tool)
    assert tool.run("pace", run, "--rate", "900/s", "--reason", "be gentle").code == 0

    result = tool.run("apply", run, "--yes", "-o", "json")

    assert result.code == 0, result.err
    assert result.json["pace"] == {"rate": 900.0, "concurrency": None}
    assert server.sent() == BATCH_JOBS


def test_a_planned_run_is_cancelled_and_cannot_be_paused(tool: Tool, server: SandboxServer) -> None:
    run = planned(tool)
    refused = tool.run("pause", run)
    assert (refused.code, "has not begun" in refused.err) == (2, True)

    assert tool.run("cancel", run, "--reason", "not today").code == 0
    assert (status(tool, run)["state"], status(tool, run)["causeCode"]) == ("halted", "cancelled")
    assert tool.run("apply", run, "--yes").code == 4
    for verb in ("cancel", "pause"):
        again = tool.run(verb, run)
        assert again.out.startswith(f"Nothing was changed: {run} is cancelled already, see"), verb
    assert "use --yes" in tool.run("resume", run).err
    assert server.sent() == 0


def test_a_cancellation_holds_if_the_process_is_killed_before_it_has_ended(tool: Tool) -> None:
    lost = {"action": "hang", "when": "after", "methods": ["PATCH"], "times": 1}
    with sandbox(tool, jobs=JOBS, chaos={"rules": [lost]}) as server:
        with applying(tool, server) as process:
            first = status(tool)["run"]
            # One answer never comes, so the process waits for it after it has followed.
            assert tool.run("cancel", "paint").code == 0
            assert process.poll() is None
            process.kill()
            end(process)

        assert status(tool, first)["causeCode"] == "cancelled"
        assert tool.run("apply", first, "--yes").code == 4


def test_a_preview_is_cancelled_while_another_run_of_its_plan_is_live(
    tool: Tool, server: SandboxServer
) -> None:
    plan_file = tool.write("plan.yaml", paint("1/s"))
    preview = tool.run("plan", plan_file, "-o", "json").json["run"]
    with applying(tool, server) as process:
        # The session of the other run does not follow it: who waits for that fails after a while.
        cancelled = tool.run("cancel", preview)
        assert (cancelled.code, process.poll()) == (0, None), cancelled.err
        assert tool.run("pace", "paint", "--rate", "1000/s").code == 0
        assert end(process).code == 0

    assert status(tool, preview)["causeCode"] == "cancelled"
    assert not control.beside(tool.state / "runs" / f"{preview}.run").exists()


def test_a_paused_run_is_steered_while_another_run_of_its_plan_is_live(
    tool: Tool, server: SandboxServer
) -> None:
    with applying(tool, server) as process:
        first = str(status(tool)["run"])
        assert tool.run("pause", first).code == 0
        assert end(process).code == 5
    with applying(tool, server, "--new"):
        paused_again = tool.run("pause", first)
        said = f"Nothing was changed: {first} is paused already, see"
        assert paused_again.out.startswith(said), paused_again.err
        assert tool.run("pace", first, "--rate", "900/s").code == 0

    assert status(tool, first)["pace"]["rate"] == 900.0


def test_a_finished_run_cannot_be_steered(tool: Tool, server: SandboxServer) -> None:
    run = planned(tool)
    assert tool.run("apply", run, "--yes").code == 0

    for words in (("pause",), ("cancel",), ("pace", "--rate", "5/s")):
        refused = tool.run(words[0], run, *words[1:])
        assert (refused.code, "is finished" in refused.err) == (2, True)
    assert server.sent() == BATCH_JOBS


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "pace needs --rate"),
        (("--rate", "0/s"), "slower than one an hour"),
        (("--rate", "fast"), "not a valid rate"),
        (("--concurrency", "0"), "--concurrency"),
        (("--concurrency", "1001"), "--concurrency"),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(
    tool: Tool, words: tuple[str, ...], problem: str
) -> None:
    refused = tool.run("pace", "paint", *words)

    assert refused.code == 2
    assert problem in refused.err


def test_the_options_of_apply_set_the_pace_and_leave_the_digest(
    tool: Tool, server: SandboxServer
) -> None:
    file = tool.write("plan.yaml", paint("1/h"))
    preview = tool.run("plan", file, "--run-file", tool.folder / "preview.run", "-o", "json")

    result = tool.run(
        "apply", file, "--yes", "--rate", "2000/s", "--concurrency", "16", "-o", "json"
    )

    assert result.code == 0, result.err
    assert result.json["pace"] == {"rate": 2000.0, "concurrency": 16}
    assert preview.code == 0, preview.err
    assert result.json["plan"]["digest"] == preview.json["plan"]["digest"]
    (steered,) = events(tool, "run.steered")
    assert (steered["rate"], steered["concurrency"]) == (2000.0, 16)
    assert server.sent() == BATCH_JOBS


def test_after_a_kill_the_run_has_no_holder_and_a_pace_is_kept_for_the_next_session(
    tool: Tool, server: SandboxServer
) -> None:
    with applying(tool, server) as process:
        assert status(tool)["holder"]["pid"] == process.pid
        process.kill()
        end(process)

    assert status(tool)["holder"] is None
    assert tool.run("pace", "paint", "--rate", "1000/s").code == 0
    resumed = tool.run("resume", "paint", "-o", "json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["outcomes"]["applied"] == BATCH_JOBS
    assert not heartbeat.beside(Path(resumed.json["runFile"])).exists()


def test_a_run_that_is_paused_after_a_kill_logs_what_was_recorded_last(
    tool: Tool, server: SandboxServer
) -> None:
    with applying(tool, server) as process:
        eventually(lambda: status(tool)["outcomes"]["applied"] > 0, "some outcomes")
        process.kill()
        end(process)
    # As if the process had been killed between a commit and its lines in the log.
    (log,) = (tool.state / "runs").glob("paint-*.jsonl")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"target.applied"' not in line))

    assert tool.run("pause", "paint").code == 0

    assert events(tool, "target.applied")


def test_a_damaged_file_of_requests_is_logged_and_steering_works_once_it_is_removed(
    tool: Tool, server: SandboxServer
) -> None:
    with applying(tool, server) as process:
        run_file = Path(status(tool)["runFile"])
        requests = control.beside(run_file)
        requests.write_bytes(b"{")
        eventually(lambda: len(events(tool, "control.failed")) == 1, "the log says it")
        assert tool.run("pace", "paint", "--rate", "1000/s").code == 1

        requests.unlink()
        assert tool.run("pace", "paint", "--rate", "1000/s").code == 0
        assert end(process).code == 0

    assert not requests.exists()


@contextmanager
def elsewhere(run_file: Path) -> Iterator[None]:
    """A session on another machine: it reports every few milliseconds, and follows requests."""
    with RunFile.open(run_file) as journal:
        summary = msgspec.structs.replace(queries.summary(journal), state=RunState.RUNNING)
    holder = Holder("s", "ann", "host-7", 4711, "2027-01-15T08:00:00Z", "another-machine", "0.2")
    status = msgspec.json.encode(Report(summary, Live(7.5, 7.0, 3, {"sandbox": "the plan's rate"})))
    over = threading.Event()

    def report() -> None:
        followed = tuple(one.id for one in control.read(run_file))
        beat = Heartbeat(holder, time.monotonic_ns(), time.time(), msgspec.Raw(status), followed)
        heartbeat.write(run_file, beat)

    def beat() -> None:
        while not over.wait(0.01):
            report()

    report()
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        heartbeat.remove(run_file, "s")


def test_a_run_on_another_machine_is_seen_and_steered_and_its_file_is_never_opened(
    tool: Tool, server: SandboxServer
) -> None:
    run = planned(tool)
    path = tool.state / "runs" / f"{run}.run"
    with elsewhere(path):
        hidden = path.rename(path.with_suffix(".hidden"))
        path.write_bytes(b"SQLite format 3\0 and who opens this finds no run")

        seen = status(tool, run)
        assert (seen["state"], seen["holder"]["host"], seen["inFlight"]) == ("running", "host-7", 3)
        assert "process 4711 of ann on host-7" in tool.run("status", run).out
        for words in (["pace", "--rate", "5/s"], ["pause"], ["cancel"]):
            steered = tool.run(words[0], run, *words[1:])
            assert (steered.code, "host-7" in steered.out) == (0, True), steered.err
        assert [one.action for one in control.read(path)] == ["pace", "pause", "cancel"]

        hidden.replace(path)
        for words in (["resume", run], ["apply", run, "--yes"], ["targets", run], ["undo", run]):
            refused = tool.run(*words)
            assert (refused.code, "host-7" in refused.err) == (6, True), refused.err
    assert server.sent() == 0
