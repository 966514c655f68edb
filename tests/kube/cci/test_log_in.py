"""Log-ins to CCI with a token or a user of IAM, over real local servers.

Covered: what each way sends, where its secrets come from, renewal when it is due and after a 401
(once for 64 workers), IAM that fails at first and at a renewal, a clock that is an hour wrong, each
mistake with its message. Left out: signatures (test_access_key), what may hold a secret
(test_secrets), how workers share renewals (test_credentials).
"""

import asyncio
import json
from pathlib import Path

import pytest

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci import iam as iam_module
from fleetpatch.kube.cci.iam import LOGIN_RETRIES, MAX_MARGIN
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.answer import Answer
from fleetpatch.model.plan.auth import Auth
from tests.kube.cci.clouds import PASSWORD, Cloud, iam, open_cci, running_cloud, token
from tests.kube.peers import (
    Act,
    VirtualClock,
    an_object,
    http,
    in_turn,
    merge,
    refusing,
    serve,
    status,
    target,
)

DAY = 86_400.0
BUSY = http(503, b"<html><head><title>Service Unavailable</title>")
WRONG_PASSWORD = http(
    401,
    {"error": {"code": 401, "message": "The password is wrong.", "title": "Unauthorized"}},
)


async def read_by_all(api: ApiServer, workers: int = 64) -> None:
    """Let as many workers read at once, each renewing after a 401 as the engine does."""

    async def work() -> None:
        answer = await api.get(target())
        if isinstance(answer, Answer) and answer.status == 401:
            assert await api.renew()
            answer = await api.get(target())
        assert isinstance(answer, Answer)
        assert answer.status == 200

    await asyncio.gather(*(work() for _ in range(workers)))


async def refusal(auth: Auth, **environ: str) -> str:
    """Give the message by which a log-in fails."""
    clock = VirtualClock()
    with pytest.raises(CredentialsError) as caught:
        async with open_cci("cci", "http://127.0.0.1:9", auth, clock=clock, environ=environ):
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_token_from_the_environment_is_sent() -> None:
    async with (
        serve(in_turn(http(200, an_object()))) as peer,
        open_cci(
            "cci", peer.url, token(env="T"), clock=VirtualClock(), environ={"T": "MIIF\n"}
        ) as api,
    ):
        await api.patch(target(), merge(b"{}"))

    [request] = peer.requests
    assert request.headers["x-auth-token"] == "MIIF"
    assert "authorization" not in request.headers
    assert api.context == ""
    assert not api.insecure


async def test_a_token_from_the_environment_that_is_refused_says_what_to_do() -> None:
    async with (
        serve(in_turn(status(401, message="expired"))) as peer,
        open_cci(
            "cci", peer.url, token(env="T"), clock=VirtualClock(), environ={"T": "MIIF"}
        ) as api,
    ):
        with pytest.raises(CredentialsError, match=r"expired\); fetch a new token into \$T$"):
            await api.resources()
        assert not await api.renew()


async def test_a_token_file_is_read_again_regularly_and_after_a_401(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", VirtualClock()
    file.write_text("one\n")
    async with (
        serve(in_turn(http(200, an_object()))) as peer,
        open_cci("cci", peer.url, token(file=str(file)), clock=clock) as api,
    ):
        await api.get(target())
        file.write_text("two\n")
        clock.now += 60
        await api.get(target())
        await api.get(target())
        file.write_text("three\n")
        api._transport.credentials.note_refusal(api._transport.credentials.grant)
        assert await api.renew()
        await api.get(target())

    sent = [request.headers["x-auth-token"] for request in peer.requests]
    assert sent == ["one", "one", "two", "three"]


async def test_a_token_is_requested_as_the_reference_of_iam_says() -> None:
    cloud = Cloud()
    async with running_cloud(cloud) as (api, peer):
        await api.get(target())

    login, read = peer.requests
    assert (login.method, login.target) == ("POST", "/v3/auth/tokens")
    assert login.headers["content-type"] == "application/json"
    assert not {"authorization", "x-auth-token"} & login.headers.keys()
    assert json.loads(login.body) == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "alice", "password": PASSWORD, "domain": {"name": "dom"}}
                },
            },
            "scope": {"project": {"name": "cn-north-4"}},
        }
    }
    assert read.headers["x-auth-token"] == "MIIF-token-of-the-tests-1"


async def test_a_password_keeps_its_blanks() -> None:
    cloud = Cloud()
    async with running_cloud(cloud, CCI_PASSWORD=" blank "):
        pass

    assert b'"password":" blank "' in cloud.logins[0].body


async def test_the_password_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("geheim blank \n", encoding="utf-8")
    async with (
        serve(Cloud()) as peer,
        open_cci("cci", peer.url, iam(peer.url, passwordFile=str(file)), clock=VirtualClock()),
    ):
        pass

    assert b'"password":"geheim blank "' in peer.requests[0].body


@pytest.mark.parametrize(
    ("lifetime", "renewed_after"), [(DAY, DAY - MAX_MARGIN), (1000.0, 800.0), (10.0, 8.0)]
)
async def test_a_token_is_renewed_shortly_before_its_end_once_for_all_workers(
    lifetime: float, renewed_after: float
) -> None:
    cloud = Cloud(lifetime=lifetime)
    async with running_cloud(cloud) as (api, _peer):
        cloud.clock.now += renewed_after - 1
        await read_by_all(api)
        assert len(cloud.logins) == 1

        cloud.clock.now += 1
        await read_by_all(api)
        await read_by_all(api)
        assert len(cloud.logins) == 2


async def test_a_token_that_is_refused_before_its_end_is_renewed_once_for_all_workers() -> None:
    cloud = Cloud()
    async with running_cloud(cloud) as (api, _peer):
        await read_by_all(api)
        cloud.expires.clear()
        await read_by_all(api)

    assert len(cloud.logins) == 2


async def test_requests_continue_while_a_renewal_hangs() -> None:
    cloud = Cloud(lifetime=10.0)
    async with running_cloud(cloud) as (api, _peer):
        cloud.refusals.append(Act.HANG)
        cloud.clock.now += 8
        await read_by_all(api)
        await read_by_all(api)

    assert len(cloud.logins) == 2


async def test_a_renewal_that_fails_is_tried_again_while_the_old_token_lasts() -> None:
    cloud = Cloud()
    async with running_cloud(cloud) as (api, _peer):
        cloud.refusals += [BUSY, http(429, b"", Retry_After="3"), Act.RESET]
        cloud.clock.now += DAY - MAX_MARGIN
        await api._transport.credentials.refresh()
        await read_by_all(api)

    assert len(cloud.logins) == 5
    assert len(cloud.clock.slept) == 3
    assert cloud.clock.slept[1] == 3.0


async def test_a_renewal_is_tried_again_later_where_iam_stays_down() -> None:
    cloud = Cloud()
    async with running_cloud(cloud) as (api, _peer):
        credentials = api._transport.credentials
        cloud.refusals += [BUSY] * LOGIN_RETRIES.attempts
        cloud.clock.now += DAY - MAX_MARGIN
        await credentials.refresh()
        assert "gave up after 5 tries (503: an HTML page" in credentials.last_error
        await read_by_all(api)

        cloud.clock.now += 10
        assert credentials.is_due()
        await credentials.refresh()
        assert credentials.last_error == ""

    assert len(cloud.logins) == 1 + LOGIN_RETRIES.attempts + 1


async def test_a_refused_password_is_not_tried_again() -> None:
    cloud = Cloud()
    async with running_cloud(cloud) as (api, _peer):
        cloud.refusals.append(WRONG_PASSWORD)
        cloud.expires.clear()
        answer = await api.get(target())
        assert isinstance(answer, Answer)
        assert not await api.renew()
        answer = await api.get(target())

    assert isinstance(answer, Answer)
    assert answer.status == 401
    assert "APIG.0307" in answer.message
    assert "refuses user 'alice' of domain 'dom' (401: The password is wrong." in answer.message
    assert len(cloud.logins) == 2


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
@pytest.mark.parametrize(
    "dates",
    [{"issued_at", "expires_at", "Date"}, {"issued_at", "expires_at"}, {"expires_at", "Date"}],
)
async def test_a_clock_that_is_an_hour_wrong_changes_nothing(ahead: float, dates: set[str]) -> None:
    cloud = Cloud(lifetime=1000.0, ahead=ahead, dates=frozenset(dates))
    async with running_cloud(cloud) as (api, _peer):
        assert api._transport.credentials.grant.fresh_for == 800.0


@pytest.mark.parametrize(
    ("dates", "ahead", "fresh_for"),
    [
        ({"expires_at"}, 0.0, 800.0),
        ({"expires_at"}, 100.0, 880.0),
        ({"expires_at"}, -3600.0, float("inf")),
        ({"issued_at", "Date"}, 0.0, float("inf")),
    ],
)
async def test_without_a_time_of_iam_our_clock_counts_and_else_a_401(
    dates: set[str], ahead: float, fresh_for: float
) -> None:
    cloud = Cloud(lifetime=1000.0, ahead=ahead, dates=frozenset(dates))
    async with running_cloud(cloud) as (api, _peer):
        assert api._transport.credentials.grant.fresh_for == fresh_for


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            WRONG_PASSWORD,
            (
                "refuses user 'alice' of domain 'dom' (401: The password is wrong. (Unauthorized));"
                " check `iam.domain`, `iam.user` and the password in $CCI_PASSWORD"
            ),
        ),
        (
            http(403, {"error_msg": "no rights", "error_code": "IAM.0003"}),
            (
                "refuses user 'alice' access to project 'cn-north-4' (403: no rights (IAM.0003)); "
                "check `iam.project` and the user's rights"
            ),
        ),
        (
            http(404, b"<!doctype html><title>Not here</title>"),
            "sent no token (404: an HTML page: Not here); check `iam.endpoint` and `iam.project`",
        ),
        (
            http(308, b"", Location="https://elsewhere.example/"),
            "sent no token (308: the answer has no body); check `iam.endpoint` and `iam.project`",
        ),
        (http(201, {"token": {}}), "answered 201 without a token; check `iam.endpoint`"),
        (
            http(500, f"cannot take {json.dumps(PASSWORD)} nor {PASSWORD}".encode()),
            (
                'gave up after 5 tries (500: cannot take "[redacted]" nor [redacted]); '
                "try again when IAM is available"
            ),
        ),
        (Act.RESET, "check `iam.endpoint` and the network"),
    ],
)
async def test_each_failure_of_iam_is_one_line_that_says_what_to_do(
    answer: bytes | Act, message: str
) -> None:
    async with serve(in_turn(answer)) as peer:
        said = await refusal(iam(peer.url), CCI_PASSWORD=PASSWORD)

    assert said.startswith(f"cluster cci: IAM at {peer.url}: ")
    assert said.endswith(message)


async def test_the_first_log_in_is_not_retried_where_iam_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(iam_module, "_TIMEOUT", 0.5)
    async with serve(in_turn(Act.HANG)) as peer:
        said = await refusal(iam(peer.url), CCI_PASSWORD=PASSWORD)

    assert "no answer (timeout: no complete answer within the time allowed)" in said
    assert len(peer.requests) == 1


async def test_the_first_log_in_is_not_retried_where_iam_is_unreachable() -> None:
    said = await refusal(iam(refusing()), CCI_PASSWORD=PASSWORD)

    assert "no answer (unreachable: cannot connect" in said


async def test_a_redirect_does_not_get_the_password() -> None:
    async with serve(in_turn(http(201))) as thief:
        moved = http(307, b"", Location=f"{thief.url}/v3/auth/tokens")
        async with serve(in_turn(moved)) as peer:
            await refusal(iam(peer.url), CCI_PASSWORD=PASSWORD)

    assert thief.requests == []


async def test_a_missing_variable_or_file_is_named(tmp_path: Path) -> None:
    empty, missing = tmp_path / "empty", tmp_path / "missing"
    empty.touch()
    url = "http://127.0.0.1:9"

    assert "$T must contain the token, but is not set; export it" in await refusal(token(env="T"))
    assert "$T must contain" in await refusal(token(env="T"), T=" ")
    assert "$T cannot be the token" in await refusal(token(env="T"), T="se\ncret")
    assert f"{empty}: has no token" in await refusal(token(file=str(empty)))
    assert f"{missing}: cannot read the token (No such" in await refusal(token(file=str(missing)))
    assert "$CCI_PASSWORD must contain the password" in await refusal(iam(url))
    said = await refusal(iam(url, passwordFile=str(missing)))
    assert f"{missing}: cannot read the password (No such file or directory); check it" in said
    said = await refusal(iam(url, passwordFile=str(empty)))
    assert f"{empty}: is empty; write the password into it" in said
