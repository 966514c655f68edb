"""Runs that cannot continue are paused, never failed, and can be resumed.

Covered: credentials refused for good, a server that dies during the run, signals while planning and
applying, a second signal; how soon such a run ends, what it says, what its record holds, and that
going on brings every target to one end with one PATCH each; a second process at the same run.
Left out: kill -9 of our own process (a later issue), the run file's own durability (tests/journal).
"""

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import pytest

from tests.cli.calling import Ended
from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import SandboxServer, sandbox, sandbox_process
from tests.e2e.tool import HANG, SOON, Tool, end, eventually, plan

JOBS = 300
BATCH_JOBS = JOBS // 5
LOST = re.compile("-job-0000[03]")
FAST = ("--rate", "1000/s")
GOES_ON = re.compile(r"^Next: +fleetpatch resume (\S+)  \(continues", re.MULTILINE)


def slowly(rate: str) -> dict[str, Any]:
    return plan(
        "slowly",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"cost": "new"}},
        pace={"rate": rate, "burst": 1, "concurrency": 4},
        retry={"attempts": 2, "maxDelay": "200ms"},
    )


def outcomes(tool: Tool, run: object) -> dict[str, int]:
    counts: dict[str, int] = tool.run("status", run, "-o", "json").json["outcomes"]
    return counts


def says_how_to_go_on(ended: Ended) -> str:
    found = GOES_ON.search(ended.out)
    assert found, ended.out
    return found[1]


@contextmanager
def applying(
    tool: Tool, server: SandboxServer, rate: str = "1/s", under: Sequence[str] = ()
) -> Iterator[Popen[str]]:
    """A run that has sent a few of its patches, and at this rate would take long for the others."""
    file = tool.write("plan.yaml", slowly(rate))
    words = ("apply", file, "--yes")
    process = tool.start(*words, under=under) if under else tool.fork(*words)
    try:
        eventually(lambda: server.sent() >= 3, "some patches")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            end(process)


def test_credentials_refused_for_good_pause_the_run_and_fail_nothing(tool: Tool) -> None:
    file = tool.write("plan.yaml", slowly("1000/s"))
    refusing = {"rules": [{"status": 401, "methods": ["PATCH", "GET"]}]}
    (port,) = free_ports(1)
    with sandbox(tool, jobs=JOBS, chaos=refusing, port=port) as server:
        ended = tool.run("apply", file, "--yes")
        assert 1 <= len(server.patches()) <= 2 * 4, "the rest is not even tried"

    assert ended.code == 7
    assert "does not accept our credentials: 401" in ended.out
    run = says_how_to_go_on(ended)
    counts = outcomes(tool, run)
    assert (counts["failed"], counts["pending"]) == (0, BATCH_JOBS)

    with sandbox(tool, jobs=JOBS, port=port) as server:
        again = tool.run("apply", run, "--yes", "-o", "json")

        assert again.code == 0, again.err
        assert again.json["outcomes"]["applied"] == BATCH_JOBS
        assert set(server.patches().values()) == {1}


def test_a_server_that_dies_pauses_the_run_soon_which_resumes_on_the_next_one(
    tool: Tool,
) -> None:
    (port,) = free_ports(1)
    with (
        sandbox_process(tool, "--jobs", JOBS, "--port", port) as server,
        applying(tool, server) as process,
    ):
        server.kill()
        ended = end(process, timeout=SOON)

    assert ended.code == 7, ended.err
    assert "unreachable: cannot connect" in ended.out
    run = says_how_to_go_on(ended)
    counts = outcomes(tool, run)
    assert counts["failed"] == 0
    assert counts["applied"] >= 1
    assert counts["pending"] == BATCH_JOBS - counts["applied"]

    # The same fleet again, as it was before the first run.
    with sandbox(tool, jobs=JOBS, port=port) as next_one:
        again = tool.run("apply", run, "--yes", "-o", "json", *FAST)

        assert again.code == 0, again.err
        assert again.json["outcomes"]["applied"] == BATCH_JOBS
        assert len(next_one.patches()) == next_one.sent() == counts["pending"]


@pytest.mark.parametrize(
    ("number", "what"), [(signal.SIGINT, "slowly"), (signal.SIGTERM, "plan.yaml")]
)
def test_a_signal_ends_the_run_in_good_order_and_a_resume_repeats_nothing(
    tool: Tool, number: signal.Signals, what: str
) -> None:
    with sandbox(tool, jobs=JOBS) as server, applying(tool, server) as process:
        process.send_signal(number)
        ended = end(process, timeout=SOON)

        assert ended.code == 5, ended.err
        assert ended.notes.startswith(f"{number.name}: stopping; waiting for requests in flight")
        assert f"Cause: interrupted by {number.name}" in ended.out
        run = says_how_to_go_on(ended)
        counts = outcomes(tool, run)
        assert counts["applied"] == server.sent(), "what was sent is on record"
        assert counts["pending"] == BATCH_JOBS - counts["applied"] > 0

        again = tool.run("apply", what, "--yes", "-o", "json", *FAST)

        assert again.code == 0, again.err
        assert again.json["run"] == run
        assert again.json["outcomes"]["applied"] == BATCH_JOBS
        assert again.json["requests"]["patch"] == BATCH_JOBS
        assert set(server.patches().values()) == {1}
        assert len(server.patches()) == BATCH_JOBS


def test_a_second_signal_leaves_at_once_and_what_was_in_flight_is_settled_by_going_on(
    tool: Tool,
) -> None:
    lost = {
        "action": "hang",
        "when": "after",
        "names": ["*-job-0000[03]*"],
        "times": 1,
        "latency": {"mean": HANG},
    }
    with (
        sandbox(tool, jobs=JOBS, chaos={"rules": [lost]}) as server,
        # It cannot end without the lost answers.
        applying(tool, server, rate="5/s") as process,
    ):
        assert process.stderr is not None
        eventually(lambda: any(LOST.search(path) for path in server.patches()), "a lost answer")
        process.send_signal(signal.SIGTERM)
        assert "applying slowly" in process.stderr.readline()
        # On a slow machine lines of progress come between.
        notes = (line for line in process.stderr if line.startswith("SIGTERM: "))
        assert next(notes).startswith("SIGTERM: stopping")
        process.send_signal(signal.SIGTERM)
        ended = end(process, timeout=SOON)
        assert ended.code == 5
        (run_file,) = tool.state.rglob("*.run")
        said = f"SIGTERM: exited at once; continue with `fleetpatch resume {run_file.stem}`\n"
        assert ended.err.endswith(said)
        in_doubt = {one["uid"] for one in tool.targets("slowly") if one["inDoubt"]}
        assert in_doubt

        words = ("--yes", "-o", "json", "--request-timeout", "3s", *FAST)
        again = tool.run("apply", "plan.yaml", *words)

        assert again.code == 0, again.err
        assert again.json["outcomes"]["applied"] == BATCH_JOBS
        settled = tool.targets("slowly", "--reason", "settled-by-reading")
        assert in_doubt & {one["uid"] for one in settled if not one["attempts"]}
        assert set(server.patches().values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_planning_leaves_no_run_behind(tool: Tool, number: signal.Signals) -> None:
    slow = {"action": "slow", "methods": ["LIST"], "latency": {"mean": HANG}}
    with sandbox(tool, jobs=JOBS, chaos={"rules": [slow]}) as server:
        process = tool.fork("apply", tool.write("plan.yaml", slowly("50/s")), "--yes")
        eventually(lambda: server.requests("list") > 0, "the survey")
        assert list(tool.state.rglob("*.run"))

        process.send_signal(number)
        ended = end(process, timeout=SOON)

    assert (ended.code, ended.out, ended.err) == (5, "", "fleetpatch: interrupted\n")
    assert not list(tool.state.rglob("*.run*"))


def test_under_nohup_a_run_outlives_its_terminal(tool: Tool) -> None:
    with (
        sandbox(tool, jobs=JOBS) as server,
        applying(tool, server, rate="30/s", under=["nohup"]) as process,
    ):
        process.send_signal(signal.SIGHUP)

        assert end(process).code == 0
        assert server.sent() == BATCH_JOBS


def test_a_run_that_is_under_way_is_not_carried_out_twice(tool: Tool) -> None:
    with sandbox(tool, jobs=JOBS) as server, applying(tool, server) as process:
        other = tool.run("apply", "plan.yaml", "--yes")

        assert other.code == 6
        assert f"process {process.pid} on" in other.err
        assert "Traceback" not in other.err
        process.terminate()
        assert end(process).code == 5
