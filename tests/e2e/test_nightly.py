"""The line for cron of docs/operating.md, run by a shell as cron runs it, on a sandbox.

Covered: a night that finishes, one with nothing left, one outside of the window, one whose cluster
is gone; what is printed (cron mails it), the exit code, and the log. Left out: nights that end in
the middle (tests/e2e/test_windows.py).
"""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, plan

ROOT = Path(__file__).parents[2]
PLAN = {
    **plan("relabel", {"kinds": ["jobs.batch"], "selector": "app"}, patch={"labels": {"a": "b"}}),
    "waves": {"sizes": [2, "100%"], "check": {"command": ["./healthy.sh"]}},
}


def cron_line(tool: Tool) -> str:
    """The command of the page, with the folders of the test in place of the system's."""
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    line: str
    (line,) = re.findall(r"^5 1 \* \* \*  (.*)$", page, re.MULTILINE)
    assert "%" not in line, "cron ends a command at a percent sign"
    return line.replace("/etc/fleetpatch/", f"{tool.folder}/").replace(
        "/var/log/", f"{tool.folder}/"
    )


def night(tool: Tool) -> subprocess.CompletedProcess[str]:
    """Call the line as cron does: by sh, with a short PATH and in another folder."""
    programs = tool.folder / "bin"
    programs.mkdir(exist_ok=True)
    shim = programs / "fleetpatch"
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fleetpatch "$@"\n')
    shim.chmod(0o755)
    return subprocess.run(
        ["sh", "-c", cron_line(tool)],
        cwd="/",
        env={
            **tool.environment,
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "LOGNAME": "nightly",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def log(tool: Tool) -> list[dict[str, Any]]:
    lines = (tool.folder / "fleetpatch.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def ends(tool: Tool) -> list[str]:
    """The cause code, or the state, of each call that the log has."""
    events = ("run.finished", "apply.refused")
    return [
        line.get("causeCode") or line.get("cause_code") or line["state"]
        for line in log(tool)
        if line["event"] in events
    ]


@pytest.fixture
def campaign(tool: Tool) -> Tool:
    """A folder with the plan and its check, which is beside it."""
    check = tool.folder / "healthy.sh"
    check.write_text("#!/bin/sh\nexit 0\n")
    check.chmod(0o755)
    tool.write("relabel.yaml", PLAN)
    return tool


def test_a_night_that_finishes_and_one_with_nothing_left_print_nothing_and_log_one_end_each(
    campaign: Tool,
) -> None:
    with sandbox(campaign, jobs=40) as server:
        first, second = night(campaign), night(campaign)
        assert server.sent() == 8

    for ended in (first, second):
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert ends(campaign) == ["finished", "finished"]
    started = next(line for line in log(campaign) if line["event"] == "run.started")
    assert started["reason"] == "nightly"
    assert started["by"].partition("@")[0] in {"nightly", os.environ.get("USER")}


def test_outside_of_the_window_no_alert_is_raised(campaign: Tool) -> None:
    opened = datetime.now(UTC) - timedelta(hours=1)
    window = {"opens": f"{opened.minute} {opened.hour} * * *", "lasts": "1m"}
    campaign.write("relabel.yaml", PLAN | {"window": window})
    with sandbox(campaign, jobs=40) as server:
        ended = night(campaign)
        assert server.sent() == 0

    assert (ended.returncode, ended.stdout) == (0, "")
    assert ends(campaign) == ["window-closed"]


def test_a_cluster_that_is_gone_is_mailed_with_its_cause(campaign: Tool) -> None:
    assert campaign.kubeconfig is not None
    with sandbox(campaign, jobs=40) as server:
        config = json.loads(server.kubeconfig.read_text())
    (port,) = free_ports(1)
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{port}"
    campaign.kubeconfig.write_text(json.dumps(config))

    ended = night(campaign)

    assert ended.returncode == 1
    assert ended.stdout.startswith("relabel: exit 1\nfleetpatch: cluster sandbox ")
    assert ends(campaign) == ["unreachable"]
