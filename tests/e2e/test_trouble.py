"""A failing server: every fault of the sandbox, in one run, by object name.

Covered: each status of the verdict table's interest, once and for ever; 429 with an integer, a
date, a body's word and nothing; lost answers before and after the change; a hung connection; a
proxy's pages; a cut body; objects deleted, recreated and changed meanwhile; the exit code, and what
applying again does.
Left out: servers and credentials that fail altogether (test_pausing.py).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Ended
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

SOON = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
ATTEMPTS = 3


@dataclass(frozen=True)
class Case:
    """What a job meets, and how it must end: reason, PATCHes, last status, and the label's value.

    A fault without `times` is met again and again.
    """

    fault: dict[str, Any]
    reason: str
    patches: int
    status: int | None = 200
    value: str | None = "new"

    @property
    def outcome(self) -> str:
        return OUTCOME[self.reason]


OUTCOME = {
    "patched": "applied",
    "settled-by-reading": "applied",
    "gone": "skipped",
    "replaced": "skipped",
    "drifted": "skipped",
    "rejected": "failed",
    "forbidden": "failed",
    "conflict": "failed",
    "exhausted": "failed",
}


def once(**fault: Any) -> dict[str, Any]:
    return {"times": 1, **fault}


def refused(status: int, reason: str = "rejected") -> Case:
    return Case({"status": status}, reason, 1, status, None)


CASES = {
    "nothing": Case({"action": "slow", "latency": {"mean": 0}}, "patched", 1),
    "400": refused(400),
    "401 once": Case(once(status=401), "patched", 2),
    "403": refused(403, "forbidden"),
    "404": refused(404, "gone"),
    "404 of a proxy": Case({"status": 404, "body": "text"}, "rejected", 1, 404, None),
    "409 once": Case(once(status=409), "patched", 2),
    "409 for ever": Case({"status": 409}, "conflict", ATTEMPTS, 409, None),
    "415": refused(415),
    "422": refused(422),
    "429 and seconds": Case(once(status=429, retryAfter=1), "patched", 2),
    "429 and a date": Case(once(status=429, retryAfter=SOON), "patched", 2),
    "429 and a body": Case(once(status=429, retryAfterSeconds=1), "patched", 2),
    "429 and nothing": Case(once(status=429), "patched", 2),
    "429 and junk": Case(once(status=429, retryAfter="tomorrow"), "patched", 2),
    "429 for ever": Case({"status": 429}, "exhausted", ATTEMPTS, 429, None),
    "500": refused(500),
    "500 of a proxy": Case(once(status=500, body="html"), "patched", 2),
    "502 of a proxy": Case(once(status=502, body="html"), "patched", 2),
    "503 once": Case(once(status=503), "patched", 2),
    "503 for ever": Case({"status": 503}, "exhausted", ATTEMPTS, 503, None),
    "504, not applied": Case(once(status=504), "patched", 2),
    "504, applied": Case(once(status=504, when="after"), "settled-by-reading", 1, 504),
    "504 for ever": Case({"status": 504}, "exhausted", ATTEMPTS, 504, None),
    "reset, not applied": Case(once(action="reset"), "patched", 2),
    "reset, applied": Case(once(action="reset", when="after"), "settled-by-reading", 1, None),
    "hung, not applied": Case(once(action="hang"), "patched", 2),
    "hung, applied": Case(once(action="hang", when="after"), "settled-by-reading", 1, None),
    "cut": Case(once(action="cut"), "settled-by-reading", 1, None),
    "gone": Case(once(action="gone"), "gone", 1, 404, None),
    "replaced": Case(once(action="recreate"), "replaced", 1, 409, None),
    "drifted": Case(once(action="drift", label="cost=theirs"), "drifted", 1, 409, "theirs"),
}
NUMBER = {name: 5 * position for position, name in enumerate(CASES)}
"""Every fifth job of the sample fleet is a batch Job."""

FAILED = sum(case.outcome == "failed" for case in CASES.values())

PLAN = plan(
    "trouble",
    {"kinds": ["jobs.batch"]},
    patch={"labels": {"cost": "new"}},
    retry={"attempts": ATTEMPTS, "maxDelay": "5s"},
)


@dataclass(frozen=True)
class Campaign:
    """A run through all that trouble."""

    tool: Tool
    server: SandboxServer
    ended: Ended
    targets: dict[int, dict[str, Any]]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("trouble")
    tool = Tool(folder, folder / "kubeconfig")
    rules = [{**case.fault, "names": [f"*-job-{NUMBER[name]:06}"]} for name, case in CASES.items()]
    with sandbox(tool, jobs=5 * len(CASES), chaos={"rules": rules}) as server:
        file = tool.write("plan.yaml", PLAN)
        ended = tool.run("apply", file, "--all", "--yes", "-o", "json", "--request-timeout", "2s")
        listed = tool.targets(ended.json["run"])
        targets = {int(one["name"].rpartition("-")[2]): one for one in listed}
        yield Campaign(tool, server, ended, targets)


@pytest.mark.parametrize("name", CASES)
def test_each_target_ends_as_it_must(campaign: Campaign, name: str) -> None:
    case, target = CASES[name], campaign.targets[NUMBER[name]]

    assert (target["outcome"], target["reason"]) == (case.outcome, case.reason)
    assert target["attempts"] == case.patches
    assert target["httpStatus"] == case.status


@pytest.mark.parametrize("name", CASES)
def test_each_object_holds_what_it_must(campaign: Campaign, name: str) -> None:
    case, target = CASES[name], campaign.targets[NUMBER[name]]

    metadata = campaign.server.metadata(target)

    if case.fault.get("action") == "gone":
        assert metadata is None
    else:
        assert metadata["labels"].get("cost") == case.value


def test_the_run_is_finished_and_the_exit_code_shows_that_targets_failed(
    campaign: Campaign,
) -> None:
    assert campaign.ended.code == 3
    answer = campaign.ended.json
    assert answer["state"] == "finished"
    assert answer["targets"] == len(CASES)
    assert answer["outcomes"]["failed"] == FAILED
    assert answer["outcomes"]["pending"] == 0
    assert answer["requests"]["patch"] == sum(case.patches for case in CASES.values())


def test_the_summary_names_what_failed_and_the_next_command(campaign: Campaign) -> None:
    printed = campaign.tool.run("status", "trouble").out

    assert f"{FAILED} failed" in printed
    assert "fleetpatch targets" in printed
    assert "--outcome failed" in printed


def test_each_retry_and_each_outcome_has_its_line_in_the_log(campaign: Campaign) -> None:
    events = campaign.tool.log(campaign.ended.json["runFile"])

    ended = [event for event in events if event["event"].startswith("target.")]
    assert len({event["uid"] for event in ended}) == len(ended) == len(CASES)
    retried = [event for event in events if event["event"] == "attempt.retried"]
    assert len(retried) == campaign.ended.json["retries"]


def test_applying_the_finished_run_again_sends_nothing(campaign: Campaign) -> None:
    sent = campaign.server.sent()

    again = campaign.tool.run("apply", campaign.ended.json["run"], "-o", "json")

    assert again.code == 3
    assert again.json == campaign.ended.json
    assert campaign.server.sent() == sent


def test_applying_the_plan_again_tries_only_what_does_not_hold_yet(campaign: Campaign) -> None:
    file = campaign.tool.folder / "plan.yaml"

    again = campaign.tool.run("plan", file, "--all", "-o", "json")

    done = sum(case.outcome == "applied" for case in CASES.values())
    gone = sum(case.fault.get("action") == "gone" for case in CASES.values())
    assert again.code == 0, again.err
    assert again.json["outcomes"]["unchanged"] == done
    assert again.json["outcomes"]["pending"] == len(CASES) - done - gone
