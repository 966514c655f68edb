"""Log-ins to CCI while a plan is carried out, and answers that are no API server's.

Covered: each way to log in; tokens that expire during a run, and one login for all workers.
Left out: log-ins in detail (tests/kube/cci), secrets (tests/e2e/test_secrets.py).
"""

import pytest

from tests.cli.calling import Caller
from tests.e2e import logins
from tests.e2e.campaigns import ends_well, there_and_back
from tests.e2e.cci.patches import FIELDS, JOBS, TFJOBS, know, of_kind, on, the_change, the_patch
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool
from tests.e2e.witnesses import objects


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("way", logins.WAYS)
def test_each_way_to_log_in_carries_a_plan_out_and_back(
    cloud: SandboxServer, call: Caller, tool: Tool, way: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, the_patch(TFJOBS, "merge"), TFJOBS, way=way))
    before = cloud.counters()

    there_and_back(
        call, file, lambda: objects(cloud.client), of_kind(TFJOBS, the_change(TFJOBS, "merge"))
    )

    after = cloud.counters()
    assert (after["logins"] > before["logins"]) is way.startswith("iam")
    assert after["statuses"].get("401", 0) == before["statuses"].get("401", 0)


def test_a_run_outlives_its_tokens_with_one_login_for_all_workers(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three times, long after one another, all tokens expire just before a PATCH: a batch Job's, a
    # TFJob's and a PyTorchJob's, which are the first, third and fifth 200 of the targets.
    unlucky = [f"*-{number:06}" for number in (300, 304, 303)]
    chaos = {"rules": [{"action": "revoke", "times": 1, "names": [name]} for name in unlucky]}
    with sandbox(tool, provider="cci", jobs=1000, namespaces=1, chaos=chaos) as cloud:
        know(cloud, monkeypatch)
        document = on(cloud, the_patch(JOBS, "labels"), *FIELDS, way="iam")
        document["pace"] = {"rate": "200/s", "burst": 10, "concurrency": 32}
        assert call("plan", tool.write("plan.yaml", document)).code == 0
        before = cloud.counters()["logins"]

        applied = call("apply", "on-cci", "--yes", "-o", "json")

        assert ends_well(applied, 1000)
        counted = cloud.counters()
        assert 1 <= counted["statuses"]["401"] <= 32 * len(unlucky)
        assert counted["logins"] - before == 1 + len(unlucky)


def test_tokens_with_a_short_life_are_renewed_before_they_expire(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A token is used for 4 s of its 5 s, so neither process may lose the CPU for the last second.
    with sandbox(tool, provider="cci", jobs=300, token_lifetime=5) as cloud:
        know(cloud, monkeypatch)
        document = on(cloud, the_patch(TFJOBS, "merge"), TFJOBS, way="iam")
        document["pace"] = {"rate": "10/s", "burst": 1, "concurrency": 32}
        assert call("plan", tool.write("plan.yaml", document)).code == 0
        before = cloud.counters()["logins"]

        applied = call("apply", "on-cci", "--yes", "-o", "json")

        assert ends_well(applied, 60)
        counted = cloud.counters()
        assert "401" not in counted["statuses"]
        # 6 s of work at least, a token for 4 s of it each.
        assert 2 <= counted["logins"] - before <= 2 + applied.json["elapsedSeconds"] / 4


def test_answers_that_are_no_api_servers_are_shown_as_what_they_are(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = ("gateway", "html", "text")
    rules = [
        {"status": 400, "body": body, "names": [f"*-{number:06}"]}
        for number, body in enumerate(bodies)
    ]
    with sandbox(tool, provider="cci", jobs=3, chaos={"rules": rules}) as cloud:
        know(cloud, monkeypatch)
        file = tool.write("plan.yaml", on(cloud, the_patch(JOBS, "labels"), *FIELDS))

        ended = call("apply", file, "--yes", "-o", "json")

    assert ended.code == 3
    assert ended.json["reasons"] == {"failed": {"rejected": 3}}
    details = {one["name"][-6:]: one["detail"] for one in tool.targets("on-cci")}
    assert details == {
        "000000": "400 API request error. (APIG.0201)",
        "000001": "400 an HTML page: 400 Bad Request",
        "000002": "400 400 Bad Request",
    }
