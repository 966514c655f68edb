"""A run that people steer while it is live, and after: pause, cancel and pace.

Covered: a run slowed down and sped up from a second terminal; a pause and a cancellation, while
requests are sent and between two waves; what log, status and run file say of it; runs without a
session; --rate and --concurrency; a process that was killed.
Left out: a session on another machine (test_steering_elsewhere.py), the ceilings themselves
(tests/engine/test_pacer.py), the files (tests/journal).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from fleetpatch.journal.runs import control, heartbeat
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.steering import paint, planned, status
from tests.e2e.tool import Tool, end, eventually

JOBS = 400
BATCH_JOBS = JOBS // 5


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
