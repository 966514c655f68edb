"""Waves that were interrupted, on sandboxes, in real time.

Covered: a cluster that is missing in a wave, and its return; a server that hangs when it is to be
checked; undo in the middle of a wave; a newer run of a plan that was halted. Left out:
everything that goes well (test_waves.py).
"""

import json
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.e2e.sandboxes import sandbox, sandbox_process
from tests.e2e.spies import spying
from tests.e2e.test_wave_edges import know_all
from tests.e2e.tool import SOON, Tool, end, eventually, plan

JOBS = 100
BATCH: dict[str, Any] = {"kinds": ["jobs.batch"], "selector": "app"}
BATCH_JOBS = 20


def stepwise(**sections: Any) -> dict[str, Any]:
    return plan("stepwise", BATCH, patch={"labels": {"cost": "new"}}, **sections)


def test_a_cluster_that_was_missing_receives_its_targets_wave_by_wave(tool: Tool) -> None:
    assert tool.kubeconfig is not None
    east_tool, west_tool = (
        replace(tool, kubeconfig=tool.kubeconfig.parent / f"{name}.kubeconfig")
        for name in ("east", "west")
    )
    fleet = [{"name": name, "context": name} for name in ("east", "west")]
    checked = Path(tool.kubeconfig.parent / "checked")
    check = {"command": ["sh", "-c", f"echo >> {checked}"]}
    file = tool.write("plan.yaml", stepwise(fleet=fleet, waves={"sizes": [4, 100], "check": check}))
    with sandbox(east_tool, jobs=JOBS) as east, sandbox(west_tool, jobs=JOBS) as west:
        know_all(tool, {"east": east, "west": west})
        config = json.loads(tool.kubeconfig.read_text())
        assert tool.run("plan", file).code == 0
        shut = [{**user, "user": {"tokenFile": "/not/there"}} for user in config["users"][1:]]
        tool.kubeconfig.write_text(json.dumps(config | {"users": [*config["users"][:1], *shut]}))
        cut = tool.run("apply", "stepwise", "--yes", "-o", "json")
        alone = (east.sent(), west.sent(), checked.exists())
        tool.kubeconfig.write_text(json.dumps(config))
        whole = tool.run("resume", "stepwise", "-o", "json")

    assert (cut.code, cut.json["state"], alone) == (7, "paused", (2, 0, False))
    assert cut.json["causeCode"] == "wave-incomplete"
    assert "wave 1 of 2 has open targets" in cut.json["cause"]
    assert whole.code == 0, whole.err
    assert checked.read_text() == "\n"
    waves: list[Counter[str]] = [Counter()]
    for line in tool.log(whole.json["runFile"]):
        if line["event"] == "wave.started" and line["wave"] > 1:
            waves.append(Counter())
        elif line["event"] == "target.applied":
            waves[-1][line["cluster"]] += 1
    assert waves == [{"east": 2, "west": 2}, {"east": 18, "west": 18}]


def test_a_check_is_not_waited_for_longer_than_its_timeout_though_the_server_hangs(
    tool: Tool,
) -> None:
    check = {"kinds": ["tfjobs"], "selector": "app", "condition": "Running", "timeout": "1s"}
    file = tool.write("plan.yaml", stepwise(waves={"sizes": [4, 100], "check": check}))
    with sandbox_process(tool, "--jobs", JOBS) as server:

        def suspend_at_the_check(_method: str, path: str) -> bool:
            if path.endswith("/tfjobs"):
                server.process.send_signal(signal.SIGSTOP)
            return False

        try:
            with spying(server, suspend_at_the_check) as spy:
                kubeconfig = server.kubeconfig.read_text()
                tool.write("kubeconfig", kubeconfig.replace(server.server, spy.server))
                ended = tool.run("apply", file, "--yes", "-o", "json")
        finally:
            server.process.send_signal(signal.SIGCONT)

    assert ended.code == 4
    assert "the clusters did not answer within 1 s" in ended.json["cause"]
    assert ended.json["elapsedSeconds"] < SOON


def test_an_undo_waits_for_no_wave(tool: Tool) -> None:
    waves = {"sizes": [10, "100%"], "pause": "1h", "check": {"command": ["false"]}}
    slowly = {"rate": "2/s", "burst": 1}
    file = tool.write("plan.yaml", stepwise(waves=waves, pace=slowly))
    with sandbox(tool, jobs=JOBS) as server:
        process = tool.fork("apply", file, "--yes")
        eventually(lambda: server.sent() >= 3, "the first wave is under way")
        process.kill()
        end(process)
        undone = tool.run("undo", "stepwise", "--yes", "-o", "json", "--rate", "1000/s")
        cut = tool.run("status", "stepwise", "-o", "json")

    assert undone.code == 0, undone.err
    assert undone.json["outcomes"]["applied"] >= 2
    assert cut.json["state"] != "halted"


def test_a_newer_run_that_is_finished_takes_the_place_of_one_that_was_halted(tool: Tool) -> None:
    fine = Path(tool.write("not-yet", {})).parent / "fine"
    waves = {"sizes": [4, "100%"], "check": {"command": ["test", "-e", str(fine)]}}
    file = tool.write("plan.yaml", stepwise(waves=waves))
    with sandbox(tool, jobs=JOBS):
        halted = tool.run("apply", file, "--yes")
        fine.touch()
        replanned = tool.run("apply", file, "--yes", "--new", "-o", "json")
        again = tool.run("apply", file, "--yes", "-o", "json")

    assert (halted.code, replanned.code, again.code) == (4, 0, 0)
    assert replanned.json["outcomes"] == {
        "applied": BATCH_JOBS - 4,
        "unchanged": 4,
        "skipped": 0,
        "failed": 0,
        "pending": 0,
    }
    assert again.json["outcomes"]["unchanged"] == BATCH_JOBS


def test_an_undo_is_bound_by_no_limit(tool: Tool) -> None:
    limits = {"deadline": "2s", "maxFailures": 0}
    file = tool.write("plan.yaml", stepwise(limits=limits, pace={"rate": "6/s", "burst": 1}))
    with sandbox(tool, jobs=JOBS) as server:
        cut = tool.run("apply", file, "--yes")
        whole = tool.run("apply", file, "--yes")
        while whole.code == 7:
            whole = tool.run("apply", file, "--yes")
        undone = tool.run("undo", "stepwise", "--yes", "-o", "json")
        assert server.sent() == 2 * BATCH_JOBS

    assert (cut.code, whole.code, undone.code) == (7, 0, 0)
    assert undone.json["outcomes"]["applied"] == BATCH_JOBS
