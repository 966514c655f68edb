"""`fleetpatch sandbox --provider cci` as a process.

Covers the line that it prints when it serves, the lifetime of tokens, invalid options. Left out:
its answers (test_cci_gateway, test_cci_patch_limits).
"""

from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.sandboxes import sandbox_process
from tests.e2e.tool import Tool
from tests.sandbox.serving import Client


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def test_the_ready_line_names_the_credentials_file(tool: Tool) -> None:
    words = ("--provider", "cci", "--jobs", 5, "--token-lifetime", "90s")
    with sandbox_process(tool, *words) as server:
        assert set(server.ready) == {"server", "kubeconfig", "pid", "credentials"}
        path = Path(server.ready["credentials"])
        lines = path.read_text(encoding="utf-8").splitlines()
        known = dict(line.split("=", 1) for line in lines)
        domain, project = ({"name": known[key]} for key in ("CCI_DOMAIN", "CCI_PROJECT"))
        user = {"name": known["CCI_USER"], "password": known["CCI_PASSWORD"], "domain": domain}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}

        stranger = Client(server.server)
        answer = stranger.request("POST", "/v3/auth/tokens", body)

        token = answer.headers["X-Subject-Token"]
        details = answer.body["token"]
        times = ("issued_at", "expires_at")
        issued, expires = (datetime.fromisoformat(details[time]) for time in times)
        assert (expires - issued).total_seconds() == 90
        for opener in (token, known["CCI_TOKEN"]):
            headers = {"X-Auth-Token": opener}
            listed = stranger.request("GET", "/apis/batch/v1/jobs", headers=headers)
            assert len(listed.body["items"]) == 1
        assert stranger.request("GET", "/apis/batch/v1/jobs").status == 401
        stranger.close()


def test_an_invalid_lifetime_is_bad_usage(tool: Tool) -> None:
    ended = tool.run("sandbox", "--provider", "cci", "--token-lifetime", "soon")

    assert ended.code == 2
    assert "'soon' is not a valid duration; write it as 30s, 5m, 2h or 1h30m" in ended.err


def test_the_lifetime_of_tokens_is_refused_where_there_are_none(tool: Tool) -> None:
    # With a profile that does not exist, nothing is served without the refusal either.
    ended = tool.run("sandbox", "--token-lifetime", "90s", "--chaos", "none-such")

    assert ended.code == 2
    assert "--token-lifetime is for CCI; add --provider cci, or leave it out" in ended.err


def test_an_unknown_provider_is_bad_usage(tool: Tool) -> None:
    ended = tool.run("sandbox", "--provider", "aws")

    assert ended.code == 2
    assert "'aws'" in ended.err
