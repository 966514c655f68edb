"""Every status that CCI's documentation lists, as the answer to a PATCH, and its outcome.

Covered: how the target ends, the exit code and the number of PATCHes, for a status that stays and
for one that passes; bodies of the gateway, of a proxy, and empty ones; retries switched off for
the plan and for one cluster; Retry-After. docs/reference.md has it as a table. Left out: all other
statuses (tests/rules/answers/test_verdicts.py), broken connections (test_trouble.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.e2e import logins
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

ATTEMPTS = 3
PATCH = {"labels": {"cost": "new"}}

STAYING: list[tuple[int, str, str, int, int]] = [
    # Status and body, how the target ends, exit code, number of PATCHes.
    (400, "gateway", "rejected", 3, 1),
    (401, "gateway", "pending", 7, 2),
    (403, "gateway", "forbidden", 3, 1),
    (404, "status", "gone", 0, 1),
    (404, "gateway", "rejected", 3, 1),
    (405, "gateway", "rejected", 3, 1),
    (406, "status", "rejected", 3, 1),
    (409, "status", "conflict", 3, ATTEMPTS),
    (415, "status", "rejected", 3, 1),
    (422, "status", "rejected", 3, 1),
    (429, "gateway", "exhausted", 3, ATTEMPTS),
    (500, "status", "rejected", 3, 1),
    (500, "html", "exhausted", 3, ATTEMPTS),
    (503, "status", "exhausted", 3, ATTEMPTS),
    (504, "gateway", "exhausted", 3, ATTEMPTS),
]
PASSING: list[tuple[int, str]] = [
    (401, "gateway"),
    (409, "status"),
    (429, "gateway"),
    (500, "html"),
    (503, "status"),
    (504, "gateway"),
]
DONE_ALL_THE_SAME = [
    # Status and body, number of PATCHes.
    (500, "html", 1),
    (503, "status", 2),
    (504, "gateway", 1),
    (408, "gateway", 2),
    (409, "status", 1),
    (422, "status", 1),
    (429, "gateway", 2),
    (403, "gateway", 1),
    (404, "status", 1),
]


BUSY, DOWN, FINE = 175, 180, 185
"""The numbers of other batch Jobs: one that meets a 429, one a 503, one nothing."""
UNAVAILABLE = {"status": 503, "names": [f"*-{DOWN:06}"]}


def rules() -> Iterator[dict[str, Any]]:
    """For each status a batch Job that meets it, by its number, of which every fifth is one."""
    for position, (status, body, *_) in enumerate(STAYING):
        yield {"status": status, "body": body, "names": [name(position)]}
    for position, (status, body) in enumerate(PASSING, len(STAYING)):
        yield {"status": status, "body": body, "names": [name(position)], "times": 1}
    for position, (status, body, _) in enumerate(DONE_ALL_THE_SAME, len(STAYING) + len(PASSING)):
        rule = {"status": status, "body": body, "times": 1, "when": "after"}
        yield {**rule, "names": [name(position)]}
    yield {"status": 429, "retryAfter": 1, "names": [f"*-{BUSY:06}"], "times": 1}
    yield UNAVAILABLE


def name(position: int) -> str:
    return f"*-{5 * position:06}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    tool = Tool(tmp_path_factory.mktemp("cloud"))
    chaos = {"rules": list(rules())}
    with sandbox(tool, provider="cci", jobs=200, namespaces=1, chaos=chaos) as served:
        yield served


@pytest.fixture(scope="module")
def names(cloud: SandboxServer) -> dict[str, str]:
    """Return the full names of the batch Jobs, by their numbers."""
    items = cloud.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    return {item["metadata"]["name"][-6:]: item["metadata"]["name"] for item in items}


@pytest.fixture
def meet(
    cloud: SandboxServer,
    names: dict[str, str],
    call: Caller,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> "Meeting":
    for key, value in cloud.credentials.items():
        monkeypatch.setenv(key, value)
    return Meeting(cloud, names, call, tool)


class Meeting:
    """A run over the one job that meets a misfortune."""

    def __init__(
        self, cloud: SandboxServer, names: dict[str, str], call: Caller, tool: Tool
    ) -> None:
        self._cloud, self._names, self._call, self._tool = cloud, names, call, tool

    def cluster(self, **more: Any) -> dict[str, Any]:
        return logins.cluster(self._cloud, "token env", Path.cwd(), **more)

    def __call__(self, number: int, **more: Any) -> tuple[Ended, dict[str, Any], int]:
        """Return the end of the run, its target, and the number of PATCHes received."""
        before = self._cloud.sent()
        ended, (target,) = self.over(number, **more)
        return ended, target, self._cloud.sent() - before

    def over(self, number: int, **more: Any) -> tuple[Ended, list[dict[str, Any]]]:
        """Run over the job of this number; return the end of the run and its targets."""
        only = f"metadata.name={self._names[f'{number:06}']}"
        block = {"kinds": ["jobs.batch"], "selector": "app", "fieldSelector": only}
        sections = {"fleet": [self.cluster()], "retry": retry(), **more}
        file = self._tool.write("plan.yaml", plan("meet", block, patch=PATCH, **sections))
        ended = self._call("apply", file, "--yes", "-o", "json")
        return ended, self._tool.targets("meet")


def retry(**more: Any) -> dict[str, Any]:
    return {"attempts": ATTEMPTS, "maxDelay": "20ms", **more}


@pytest.mark.parametrize(
    ("position", "reason", "code", "patches"),
    [(at, *expected) for at, (_, _, *expected) in enumerate(STAYING)],
    ids=[f"{status} {body}" for status, body, *_ in STAYING],
)
def test_a_status_that_stays_ends_the_target_as_the_reference_says(
    meet: Meeting, position: int, reason: str, code: int, patches: int
) -> None:
    ended, target, sent = meet(5 * position)

    assert ended.code == code, ended.err
    assert (target["reason"] or "pending", sent) == (reason, patches)
    assert target["httpStatus"] == (None if reason == "pending" else STAYING[position][0])


@pytest.mark.parametrize(
    "position",
    range(len(PASSING)),
    ids=[f"{status} {body}" for status, body in PASSING],
)
def test_a_status_that_passes_is_gone_with_the_second_attempt(meet: Meeting, position: int) -> None:
    ended, target, sent = meet(5 * (len(STAYING) + position))

    assert ended.code == 0, ended.err
    assert (target["reason"], sent) == ("patched", 2)


@pytest.mark.parametrize(
    ("position", "patches"),
    [(at, patches) for at, (_, _, patches) in enumerate(DONE_ALL_THE_SAME)],
    ids=[f"{status} {body}" for status, body, _ in DONE_ALL_THE_SAME],
)
def test_a_patch_that_was_applied_despite_its_answer_is_detected_by_reading(
    meet: Meeting, position: int, patches: int
) -> None:
    ended, target, sent = meet(5 * (len(STAYING) + len(PASSING) + position))

    assert ended.code == 0, ended.err
    assert (target["outcome"], target["reason"]) == ("applied", "settled-by-reading")
    assert sent == patches


def test_a_200_is_enough(meet: Meeting) -> None:
    ended, target, sent = meet(FINE)

    assert ended.code == 0, ended.err
    assert (target["reason"], target["httpStatus"], sent) == ("patched", 200, 1)


def test_the_wait_that_a_429_asks_for_is_kept(meet: Meeting) -> None:
    ended, target, sent = meet(BUSY, retry=retry(maxDelay="5s"))

    assert ended.code == 0, ended.err
    assert (target["reason"], sent) == ("patched", 2)
    assert 1000 <= target["elapsedMs"] < 5000


def test_a_503_is_final_where_the_plan_takes_cci_at_its_word(meet: Meeting) -> None:
    ended, target, sent = meet(DOWN, retry=retry(statuses=[429, 504]))

    assert ended.code == 3
    assert (target["reason"], target["httpStatus"], sent) == ("rejected", 503, 1)


def test_a_status_that_a_cluster_does_not_retry_is_final_for_that_cluster_alone(
    meet: Meeting, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cluster of one's own has a job of the same name, which meets the same.
    with sandbox(tool, jobs=200, namespaces=1, chaos={"rules": [UNAVAILABLE]}) as own:
        monkeypatch.setenv("KUBECONFIG", str(own.kubeconfig))
        fleet = [{"name": "own"}, meet.cluster(retry={"statuses": [429, 504]})]

        ended, targets = meet.over(DOWN, fleet=fleet)

        assert ended.code == 3
        assert {one["cluster"]: (one["reason"], one["attempts"]) for one in targets} == {
            "own": ("exhausted", ATTEMPTS),
            "cci": ("rejected", 1),
        }
        assert own.sent() == ATTEMPTS
