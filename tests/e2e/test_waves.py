"""A campaign in steps: waves with pauses, promotion by hand, checks, deadlines.

Covered: sizes and order, the pause after the last success, `promote: manual`, a check by command
and by condition, a wave that takes too long, going on after a kill in a pause.
Left out: two clusters (test_wave_edges.py), sizes (tests/rules/running/test_waves.py), the ranges
(tests/journal/test_journal_waves.py).
"""

import re
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import HANG, SOON, Tool, end, eventually, plan
from tests.e2e.witnesses import MILLISECOND, settled_at

JOBS = {"kinds": ["jobs.batch"], "selector": "app"}
COUNT = 20


def wavy(**waves: Any) -> dict[str, Any]:
    section = {"sizes": [1, "25%", "100%"], **waves}
    return plan("wavy", JOBS, patch={"labels": {"cost": "new"}}, waves=section)


def events(tool: Tool, run_file: str, *names: str) -> list[Any]:
    return [line for line in tool.log(run_file) if line["event"] in names]


def test_waves_go_one_after_the_other_with_pauses_between(tool: Tool) -> None:
    with sandbox(tool, jobs=5 * COUNT) as server:
        file = tool.write("plan.yaml", wavy(pause="300ms"))
        ended = tool.run("apply", file, "--yes", "-o", "json")
        assert server.sent() == COUNT

    assert ended.code == 0, ended.err
    lines = events(tool, ended.json["runFile"], "wave.started", "target.applied")
    waves: list[list[Any]] = []
    for line in lines:
        if line["event"] == "wave.started":
            assert (line["wave"], line["of"]) == (len(waves) + 1, 3)
            waves.append([line])
        else:
            waves[-1].append(line)
    assert [len(wave) - 1 for wave in waves] == [1, 5, 14]
    assert [wave[0]["targets"] for wave in waves] == [1, 5, 14]
    settled = settled_at(Path(ended.json["runFile"]))
    for last, (begin, *_) in ((0, waves[1]), (5, waves[2])):
        began = datetime.fromisoformat(begin["timestamp"]).timestamp()
        assert began >= settled[last] + 0.3 - MILLISECOND


def test_a_manual_wave_waits_for_its_promotion(tool: Tool) -> None:
    with sandbox(tool, jobs=5 * COUNT) as server:
        first = tool.run("apply", tool.write("plan.yaml", wavy(promote="manual")), "--yes")
        assert (first.code, server.sent()) == (5, 1)
        promotion = re.search(r"\nNext: +(fleetpatch resume \S+ --promote)  ", first.out)
        assert promotion, first.out
        for words in (("resume", "wavy"), ("apply", "plan.yaml")):
            held = tool.run(*words)
            assert (held.code, server.sent()) == (5, 1)
            assert f"its next wave begins only with `{promotion[1]}`" in held.err
            assert "Resuming" not in held.err
        second = tool.run("resume", "wavy", "--promote")
        assert (second.code, server.sent()) == (5, 6)
        third = tool.run("resume", "wavy", "--promote")
        assert (third.code, server.sent()) == (0, COUNT)


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ({"command": [sys.executable, "-c", "print('ill'); exit(3)"]}, "ended with 3: ill"),
        (
            {"command": ["./orphan"]},
            "orphan` cannot be run: No such file or",
        ),
        ({"command": ["sleep", f"{HANG}"], "timeout": "200ms"}, "did not end within 0.2 s"),
        ({"condition": "Complete", "timeout": "1s"}, "has Complete="),
        ({"condition": "X", "selector": "app=nobody", "timeout": "1s"}, "no object matches"),
    ],
)
def test_a_check_that_fails_halts_the_run_until_it_is_promoted(
    tool: Tool, check: dict[str, Any], why: str
) -> None:
    # A script that is found, and whose interpreter is not.
    (tool.folder / "orphan").write_text("#!/no/such/interpreter\n")
    (tool.folder / "orphan").chmod(0o755)
    with sandbox(tool, jobs=5 * COUNT) as server:
        ended = tool.run("apply", tool.write("plan.yaml", wavy(check=check)), "--yes", "-o", "json")
        assert (ended.code, server.sent()) == (4, 1), ended.err
        assert ended.json["state"] == "halted"
        assert why in ended.json["cause"]
        again = tool.run("apply", "plan.yaml")
        assert (again.code, server.sent()) == (4, 1)
        assert again.err.startswith("Found the unfinished run wavy-")
        assert "is halted, and is continued only by `fleetpatch resume " in again.err
        on = tool.run("resume", "wavy", "--promote", "-o", "json")
        assert (on.code, server.sent()) == (4, 6)


def test_a_check_that_holds_lets_the_next_wave_begin(tool: Tool) -> None:
    check = {"command": [sys.executable, "-c", ""]}
    with sandbox(tool, jobs=5 * COUNT) as server:
        ended = tool.run("apply", tool.write("plan.yaml", wavy(check=check)), "--yes")
        assert (ended.code, server.sent()) == (0, COUNT)


def test_a_wave_that_takes_too_long_pauses_the_run(tool: Tool) -> None:
    hanging = {"rules": [{"action": "hang", "latency": {"mean": HANG}}]}
    with sandbox(tool, jobs=5 * COUNT, chaos=hanging):
        file = tool.write("plan.yaml", wavy(deadline="300ms"))
        ended = tool.run("apply", file, "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (7, "wave-deadline-passed")
    assert ended.json["cause"].startswith("the wave did not end within 0.3 s")


def test_a_run_killed_in_a_pause_continues_from_there(tool: Tool) -> None:
    with sandbox(tool, jobs=5 * COUNT) as server:
        process = tool.fork("apply", tool.write("plan.yaml", wavy(pause="1h")), "--yes")
        eventually(lambda: server.sent() == 1, "the first wave")
        eventually(lambda: "wave.paused" in _logs(tool), "the pause")
        process.kill()
        end(process)

        again = tool.fork("resume", "wavy", "--promote")
        eventually(lambda: server.sent() == 6, "the second wave")
        eventually(lambda: _logs(tool).count("wave.paused") == 2, "the second pause")
        again.send_signal(signal.SIGINT)
        stopped = end(again, timeout=SOON)
        assert (stopped.code, server.sent()) == (5, 6), stopped.out


def _logs(tool: Tool) -> str:
    return "".join(file.read_text() for file in (tool.state / "runs").glob("*.jsonl"))
