"""Runs that stop by themselves: too many failures, too many retries, too much time.

Covered: `maxFailures` with one worker and with many, what is left and how it goes on; identical
refusals that stop a part; a server that is busy for ever; the deadline; what a killed session cost.
Left out: the arithmetic (tests/rules/running/test_limits.py), every limit at every concurrency in
virtual time (tests/engine/test_lane_limits.py).
"""

from typing import Any

import pytest

from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, end, eventually, plan
from tests.e2e.witnesses import record

JOBS = {"kinds": ["jobs.batch"], "selector": "app"}
PATCH = {"labels": {"cost": "new"}}
REJECTING = {"rules": [{"status": 422, "names": ["*[02468]5", "*[13579]0"]}]}


def limited(workers: int, limits: dict[str, Any]) -> dict[str, Any]:
    pace = {"concurrency": workers, "adaptive": False}
    return plan("limited", JOBS, patch=PATCH, pace=pace, limits=limits)


@pytest.mark.parametrize(("allowed", "workers"), [(0, 1), (3, 1), ("5%", 1), (3, 32)])
def test_one_failure_too_many_halts_the_run(tool: Tool, allowed: Any, workers: int) -> None:
    most = 3 if allowed == "5%" else allowed
    with sandbox(tool, jobs=300, chaos=REJECTING) as server:
        file = tool.write("plan.yaml", limited(workers, {"maxFailures": allowed}))
        ended = tool.run("apply", file, "--yes", "-o", "json")
        sent = server.sent()

        assert ended.code == 4, ended.err
        assert ended.json["state"] == "halted"
        failed = ended.json["outcomes"]["failed"]
        assert most < failed <= most + workers
        assert f"allows {most}" in ended.json["cause"]
        if workers == 1:
            assert failed == most + 1
            assert ended.json["outcomes"]["pending"] > 0

        again = tool.run("apply", file, "--yes", "-o", "json")
        assert (again.code, server.sent()) == (4, sent)

        on = tool.run("resume", "limited", "-o", "json")
        assert on.json["outcomes"]["failed"] > failed or on.json["outcomes"]["pending"] == 0


def test_refusals_with_successes_between_them_stop_nothing(tool: Tool) -> None:
    forbidding = {"rules": [{"status": 403, "names": ["etl-*"]}]}
    with sandbox(tool, jobs=600, namespaces=2, chaos=forbidding):
        document = plan("mixed", JOBS, patch=PATCH, pace={"concurrency": 1})
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")

    assert ended.code == 3
    assert ended.json["outcomes"]["pending"] == 0


def test_a_part_that_is_refused_throughout_is_stopped_after_25_refusals(tool: Tool) -> None:
    forbidding = {"rules": [{"status": 403, "names": ["*"]}]}
    with sandbox(tool, jobs=600, namespaces=2, chaos=forbidding) as server:
        document = plan("stopped", JOBS, patch=PATCH, pace={"concurrency": 1})
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")
        sent = server.sent()

    assert ended.code == 3
    assert sent == ended.json["outcomes"]["failed"] == 2 * 25
    assert ended.json["outcomes"]["pending"] == 120 - 50
    assert "25 refusals in a row" in ended.json["cause"]
    assert "not tried" in ended.json["cause"]


def test_a_server_that_is_busy_for_ever_pauses_the_run(tool: Tool) -> None:
    busy = {"rules": [{"status": 429}]}
    with sandbox(tool, jobs=600, chaos=busy):
        retry, pace = {"attempts": 3, "maxDelay": "20ms"}, {"adaptive": False}
        document = plan("busy", JOBS, patch=PATCH, retry=retry, pace=pace)
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")

    assert ended.code == 7
    assert ended.json["state"] == "paused"
    assert ended.json["outcomes"]["pending"] > 0
    assert "429" in ended.json["cause"]


def test_the_deadline_pauses_the_run(tool: Tool) -> None:
    with sandbox(tool, jobs=300) as server:
        document = limited(1, {"deadline": "1s"}) | {"pace": {"rate": "10/s", "burst": 1}}
        ended = tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")
        sent = server.sent()

    assert (ended.code, ended.json["causeCode"]) == (7, "deadline-passed")
    assert ended.json["cause"] == "the deadline of 1.0 s has passed"
    assert 0 < sent <= 15
    assert ended.json["elapsedSeconds"] - ended.json["planningSeconds"] >= 1, "not before"
    assert ended.json["outcomes"]["pending"] == 60 - sent


def test_the_summary_includes_the_requests_of_a_killed_session(tool: Tool) -> None:
    with sandbox(tool, jobs=300) as server:
        waves = {"sizes": [20, "100%"], "pause": "1h"}
        document = plan("killed", JOBS, patch=PATCH, waves=waves)
        process = tool.fork("apply", tool.write("plan.yaml", document), "--yes")
        eventually(lambda: server.sent() == 20, "some patches")
        (run_file,) = tool.state.rglob("*.run")
        eventually(lambda: record(run_file).counts["applied"] == 20, "they are on record")
        process.kill()
        end(process)

        counted = tool.run("status", "killed", "-o", "json").json["requests"]["patch"]

        assert counted == server.sent() == 20
