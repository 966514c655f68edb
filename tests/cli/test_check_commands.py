"""The command of a wave's check: where it is found, when it is looked up, what it is given.

Covered: validate, plan and apply, from the plan's folder and from another one; a run that is
carried out where the program is missing; the environment. Left out: output, time limit and exit
code of a command (tests/campaign/test_wave_check.py).
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.campaign.running.check_command import check_environment
from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool
from tests.plans import plan_from
from tests.report.samples import a_summary

ASKED = '#!/bin/sh\nenv > "$(dirname "$0")/asked"\n'


def in_waves(name: str, *command: str) -> dict[str, Any]:
    waves = {"sizes": [5, 100], "check": {"command": list(command)}}
    return marking(name, waves=waves)


def script(folder: Path, mode: int = 0o755) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "healthy.sh"
    file.write_text(ASKED)
    file.chmod(mode)
    return file


def asked(folder: Path) -> dict[str, str]:
    """The environment of the check, if it was run."""
    lines = (folder / "asked").read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines if "=" in line)


def plan_in(folder: Path, document: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "plan.yaml").write_text(json.dumps(document))
    return folder / "plan.yaml"


@pytest.mark.parametrize("verb", ["validate", "plan", "apply"])
@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("./healthy.sh", "does not exist at "),
        ("no-such-program-anywhere", "is not a program in PATH"),
        ("/not/there/healthy.sh", "does not exist at /not/there/healthy.sh; correct the path"),
    ],
)
def test_a_program_that_is_missing_is_a_problem_of_the_plan_and_nothing_is_sent(
    call: Caller, tool: Tool, server: SandboxServer, verb: str, program: str, problem: str
) -> None:
    sent = server.sent()
    file = plan_in(tool.folder / "campaign", in_waves("missing", program))

    ended = call(verb, file)

    assert ended.code == 2
    assert f"{file}:1:" in ended.err
    assert problem in ended.err
    assert (server.sent(), list(tool.state.rglob("*.run"))) == (sent, [])


def test_a_program_without_the_right_to_execute_is_a_problem_of_the_plan(
    call: Caller, tool: Tool
) -> None:
    script(tool.folder / "campaign", mode=0o644)
    file = plan_in(tool.folder / "campaign", in_waves("plain", "./healthy.sh"))

    ended = call("validate", file)

    assert ended.code == 2
    assert "is not an executable file at " in ended.err


def test_the_check_of_a_plan_in_another_folder_is_run_and_knows_its_run(
    call: Caller, tool: Tool
) -> None:
    folder = tool.folder / "campaign"
    script(folder)
    file = plan_in(folder, in_waves("elsewhere", "./healthy.sh"))

    ended = call("apply", file, "--yes", "-o", "json")

    assert (ended.code, ended.json["state"]) == (0, "finished"), ended.err
    environment = asked(folder)
    assert environment["FLEETPATCH_RUN"] == ended.json["run"]
    assert environment["FLEETPATCH_PLAN"] == "elsewhere"
    assert environment["FLEETPATCH_WAVE"] == "1"
    assert environment["FLEETPATCH_RUN_FILE"] == ended.json["runFile"]
    counts = json.loads(environment["FLEETPATCH_OUTCOMES"])
    assert counts == {
        "applied": 5,
        "unchanged": 0,
        "skipped": 0,
        "failed": 0,
        "pending": ended.json["targets"] - 5,
    }
    assert environment["KUBECONFIG"] == str(tool.kubeconfig)


def test_a_run_is_not_begun_where_its_check_is_missing(
    call: Caller, tool: Tool, server: SandboxServer
) -> None:
    folder = tool.folder / "campaign"
    file = script(folder)
    planned = call("plan", plan_in(folder, in_waves("moved", "./healthy.sh")), "-o", "json").json
    file.unlink()
    sent = server.sent()

    ended = call("apply", planned["run"], "--yes")

    assert ended.code == 2
    assert f"does not exist at {folder}/./healthy.sh" in ended.err
    assert server.sent() == sent


def test_the_folder_of_a_plan_is_not_part_of_its_digest(call: Caller, tool: Tool) -> None:
    digests = set()
    for name in ("one", "other"):
        script(tool.folder / name)
        file = plan_in(tool.folder / name, in_waves("same", "./healthy.sh"))
        digests.add(call("plan", file, "-o", "json").json["plan"]["digest"])

    assert len(digests) == 1


def test_a_link_to_a_plan_means_the_folder_of_the_link(call: Caller, tool: Tool) -> None:
    """As in a ConfigMap, whose files are links."""
    target = plan_in(tool.folder / "data", in_waves("linked", "./healthy.sh"))
    script(tool.folder / "mounted")
    link = tool.folder / "mounted" / "plan.yaml"
    link.symlink_to(target)

    assert call("validate", link).code == 0
    assert call("validate", target).code == 2


def test_the_program_of_a_plan_from_a_pipe_is_looked_up_from_the_working_directory(
    call: Caller, tool: Tool
) -> None:
    script(tool.folder)
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe:
        json.dump(in_waves("piped", "./healthy.sh"), pipe)
        pipe.close()
        ended = call("validate", f"/dev/fd/{reading}")

    assert ended.code == 0, ended.err


def test_a_check_does_not_get_the_secrets_of_a_log_in() -> None:
    region = "cn-north-4"
    auths = [
        {"token": {"env": "TOKEN"}},
        {"token": {"file": "token"}},
        {
            "iam": {
                "endpoint": "https://iam.example.com",
                "domain": "acme",
                "user": "robot",
                "passwordEnv": "PASSWORD",
                "project": region,
            }
        },
        {"aksk": {"accessKeyEnv": "AK", "secretKeyEnv": "SK", "project": region}},
    ]
    fleet = [
        {"name": f"c{n}", "provider": "cci", "server": f"https://c{n}.example.com", "auth": auth}
        for n, auth in enumerate(auths)
    ]
    document = {
        "metadata": {"name": "x"},
        "fleet": fleet,
        "targets": [{"kinds": ["jobs.batch"], "selector": "a"}],
        "patch": {"merge": {"metadata": {"labels": {"a": "b"}}}},
    }
    environ = dict.fromkeys(("TOKEN", "PASSWORD", "AK", "SK", "KUBECONFIG", "PATH"), "value")

    given = check_environment(a_summary(), plan_from(document), 2, environ)

    assert {name for name in given if not name.startswith("FLEETPATCH_")} == {"KUBECONFIG", "PATH"}
    assert given["FLEETPATCH_WAVE"] == "2"
