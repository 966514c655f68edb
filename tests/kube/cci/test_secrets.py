"""No secret is in anything that is shown or logged, for each way to log in.

Covered: representations, the text of tracebacks, log records and warnings, of log-ins that work and
that fail, and answers that quote the request. Left out: the artefacts of whole runs (tests of the
command line), and what is in clear by design (the environment, files, the wire).
"""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.kube.cci.connect import connect_to_cci
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.http import requests
from fleetpatch.model.plan.auth import Auth
from tests.kube.cci.clouds import access_key, iam, open_cci, token
from tests.kube.peers import Act, Answers, Request, VirtualClock, http, merge, serve, target

SECRET = "hunted-secret-0123456789"
EVERYWHERE = {"T": SECRET, "CCI_PASSWORD": SECRET, "CCI_SECRET_KEY": SECRET, "CCI_ACCESS_KEY": "AK"}

Way: TypeAlias = Callable[[str, Path], Auth]


def by_variable(_url: str, _folder: Path) -> Auth:
    return token(env="T")


def by_file(_url: str, folder: Path) -> Auth:
    (folder / "token").write_text(SECRET)
    return token(file=str(folder / "token"))


def by_iam(url: str, _folder: Path) -> Auth:
    return iam(url)


def by_iam_with_a_file(url: str, folder: Path) -> Auth:
    (folder / "password").write_text(SECRET)
    return iam(url, passwordFile=str(folder / "password"))


def by_access_key(_url: str, _folder: Path) -> Auth:
    return access_key()


WAYS = [by_variable, by_file, by_iam, by_iam_with_a_file, by_access_key]


def quoting(request: Request) -> bytes:
    """Quote all of a request, as a debugging proxy does; IAM hands out the secret as a token."""
    if request.path == "/v3/auth/tokens" and SECRET.encode() in request.body:
        return http(201, {"token": {}, "echo": request.body.decode()}, X_Subject_Token=SECRET)
    return http(502, f"{request.headers} {request.body!r}".encode())


def everything_of(*things: object) -> str:
    """Say all that a careless `print`, `%r` or debugger would of these and what they hold."""
    seen: dict[int, object] = {}
    left = list(things)
    while left:
        thing = left.pop()
        module = type(thing).__module__
        if id(thing) in seen or not module.startswith("fleetpatch."):
            continue
        seen[id(thing)] = thing
        names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
        left += [getattr(thing, name, None) for name in names]
    return " ".join(f"{thing!r} {thing}" for thing in seen.values())


@pytest.mark.parametrize("way", WAYS)
async def test_no_secret_is_in_any_representation(way: Way, tmp_path: Path) -> None:
    async with serve(quoting) as peer:
        auth, clock = way(peer.url, tmp_path), VirtualClock()
        connection = await connect_to_cci("cci", peer.url, auth, clock=clock, environ=EVERYWHERE)
        async with ApiServer("cci", connection, clock=clock) as api:
            replies = [
                await api.patch(target(), merge(b"{}")),
                await api.get(target()),
            ]
            raw = await api._transport.send(requests.GET_DOCUMENT, api._urls.path("/apis"))
            shown = everything_of(api, connection, raw, *replies)

    assert "Connection(" in shown
    assert "Raw(" in shown
    assert "[redacted]" in shown
    assert SECRET not in shown


@pytest.mark.parametrize("way", WAYS)
async def test_no_secret_is_logged(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(quoting) as peer:
        auth, clock = way(peer.url, tmp_path), VirtualClock()
        async with open_cci("cci", peer.url, auth, clock=clock, environ=EVERYWHERE) as api:
            await api.patch(target(), merge(b"{}"))
            await api.renew()

    assert SECRET not in caplog.text


ECHOES: dict[str, Answers] = {
    "as text": lambda request: http(400, b"what is " + request.body),
    "as a gateway's error": lambda request: http(
        401, {"error_msg": request.body.decode(), "error_code": "APIG.0301"}
    ),
    "as IAM's error": lambda request: http(
        403, {"error": {"code": 403, "message": request.body.decode(), "title": "Forbidden"}}
    ),
    "as a Status": lambda request: http(
        500, {"kind": "Status", "reason": request.body.decode(), "message": request.body.decode()}
    ),
    "as a page": lambda request: http(503, b"<html><title>" + request.body + b"</title>"),
    "as a success": lambda request: http(200, {"error_msg": request.body.decode()}),
    "as what is no HTTP": lambda request: (request.body, Act.CLOSE),
    "as a header": lambda request: http(302, b"", Location=f"https://x/{request.body.decode()}"),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("password", [SECRET, f'"{SECRET}\\', f"ä{SECRET}€"])
async def test_no_secret_is_in_the_traceback_of_a_log_in_that_fails(
    echo: str, password: str
) -> None:
    async with serve(ECHOES[echo]) as peer:
        environ = EVERYWHERE | {"CCI_PASSWORD": password}
        with pytest.raises(CredentialsError) as caught:
            await connect_to_cci(
                "cci", peer.url, iam(peer.url), clock=VirtualClock(), environ=environ
            )

    said = traceback.TracebackException.from_exception(caught.value, capture_locals=False)
    printed = "".join(said.format()) + repr(caught.value)
    assert "IAM at" in printed
    assert SECRET not in printed
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("auth", "environ"),
    [
        (token(env="T"), {"T": f"{SECRET}\n{SECRET}"}),
        (token(env="T"), {"T": f"{SECRET}ä"}),
        (access_key(), {"CCI_ACCESS_KEY": SECRET}),
        (access_key(), {"CCI_ACCESS_KEY": SECRET, "CCI_SECRET_KEY": f"{SECRET}\r\nX-Evil: 1"}),
    ],
)
async def test_no_secret_is_in_the_traceback_of_auth_that_is_not_valid(
    auth: Auth, environ: dict[str, str]
) -> None:
    with pytest.raises(CredentialsError) as caught:
        await connect_to_cci(
            "cci", "http://127.0.0.1:9", auth, clock=VirtualClock(), environ=environ
        )

    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_no_secret_is_in_the_error_of_a_list_or_of_discovery() -> None:
    def refusing(request: Request) -> bytes:
        return http(400, f"{request.headers}".encode())

    async with (
        serve(refusing) as peer,
        open_cci("cci", peer.url, token(env="T"), clock=VirtualClock(), environ=EVERYWHERE) as api,
    ):
        with pytest.raises(ClusterError) as discovery:
            await api.resources()
        with pytest.raises(ClusterError) as listing:
            await api.namespaces()

    for caught in (discovery, listing):
        assert "[redacted]" in str(caught.value)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
