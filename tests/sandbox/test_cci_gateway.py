"""Authentication of the sandbox in CCI mode: every way to sign in, and every refusal, over HTTP.

Covers IAM, tokens and their expiry, signatures, the kubeconfig, the credentials file. Left out: the
algorithm of signatures (test_cci_signatures), the limits of a PATCH (test_cci_patch_limits), and
kubectl, which sends no credentials over plain HTTP.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import lightkube
import pytest
from lightkube.config.kubeconfig import KubeConfig
from lightkube.resources.batch_v1 import Job
from lightkube.types import PatchType

from fleetpatch.errors import SurroundingsError, UsageError
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.sandbox.apiserver.access import ADMIN, GUEST
from fleetpatch.sandbox.cci.iam import identifier
from fleetpatch.sandbox.cci.tokens import Tokens
from fleetpatch.sandbox.chaos.profiles import Action, Chaos, ChaosRule
from fleetpatch.sandbox.server import Sandbox, SandboxOptions
from tests.sandbox.objects import BATCH, MERGE, NAMESPACE, create, metadata, relabel
from tests.sandbox.serving import Client, Response, SandboxThread
from tests.sandbox.signing import Key, sign

LOGIN = "/v3/auth/tokens"
JOBS = "/apis/batch/v1/jobs"


@contextmanager
def serving(*rules: ChaosRule, token_lifetime: float = 3600.0) -> Iterator[SandboxThread]:
    options = SandboxOptions(
        jobs=0,
        namespaces=0,
        provider=ProviderName.CCI,
        token_lifetime=token_lifetime,
        chaos=Chaos(rules=rules),
    )
    with SandboxThread(options) as running:
        yield running


@pytest.fixture
def stranger(cci: SandboxThread) -> Iterator[Client]:
    """A client without credentials."""
    client = Client(cci.sandbox.ready.server)
    yield client
    client.close()


def login_of(running: SandboxThread, **other: str) -> Any:
    """The body of a login; `other` replaces the right domain, user and so on."""
    known = running.sandbox.credentials
    right = {each: getattr(known, each) for each in ("domain", "user", "password", "project")}
    given = right | other
    domain = {"name": given["domain"]}
    user = {"name": given["user"], "password": given["password"], "domain": domain}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": given["project"]}},
        }
    }


def logged_in(running: SandboxThread) -> str:
    """A token of IAM."""
    response = running.client.request("POST", LOGIN, login_of(running))
    assert response.status == 201, response.body
    return response.headers["X-Subject-Token"]


def listed(running: SandboxThread, token: str) -> Response:
    return running.client.request("GET", JOBS, headers={"X-Auth-Token": token})


def logins(running: SandboxThread) -> int:
    count: int = running.client.request("GET", "/_sandbox/counters").body["logins"]
    return count


def assert_unauthenticated(response: Response, why: str) -> None:
    message = f"Incorrect IAM authentication information: {why}"
    assert response.status == 401
    assert response.body == {"error_msg": message, "error_code": "APIG.0301"}


@pytest.mark.parametrize("path", [JOBS, "/apis", "/version", "/api/v1/namespaces", "/nowhere"])
def test_a_request_without_credentials_is_refused_on_every_path(
    stranger: Client, path: str
) -> None:
    assert_unauthenticated(stranger.request("GET", path), "x-auth-token not found")


def test_a_login_issues_a_token_that_the_api_accepts(cci: SandboxThread) -> None:
    response = cci.client.request("POST", LOGIN, login_of(cci))
    token = response.headers["X-Subject-Token"]

    assert response.status == 201
    assert listed(cci, token).status == 200
    token = response.body["token"]
    issued, expires = (datetime.fromisoformat(token[at]) for at in ("issued_at", "expires_at"))
    assert (expires - issued).total_seconds() == 86_400
    assert token["expires_at"].endswith("Z")
    assert token["project"]["name"] == cci.sandbox.credentials.project
    assert logins(cci) == 1


@pytest.mark.parametrize("part", ["domain", "user", "password"])
def test_a_wrong_login_is_refused(cci: SandboxThread, part: str) -> None:
    refused = cci.client.request("POST", LOGIN, login_of(cci, **{part: "wröng"}))

    message = "The username or password is wrong."
    assert refused.status == 401
    assert refused.body == {
        "error": {"code": 401, "message": message, "title": "Unauthorized"},
    }
    assert logins(cci) == 0


def test_a_login_for_another_project_is_refused(cci: SandboxThread) -> None:
    refused = cci.client.request("POST", LOGIN, login_of(cci, project="another"))

    assert (refused.status, refused.body["error"]["title"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", {}, {"auth": {}}, {"auth": {"identity": None}}]
)
def test_an_invalid_login_body_is_a_bad_request(cci: SandboxThread, body: Any) -> None:
    refused = cci.client.request("POST", LOGIN, body)

    assert (refused.status, refused.body["error"]["title"]) == (400, "Bad Request")


def test_other_login_methods_are_refused(cci: SandboxThread) -> None:
    body = login_of(cci)
    body["auth"]["identity"]["methods"] = ["token"]

    assert cci.client.request("POST", LOGIN, body).status == 400


def test_an_unknown_token_is_refused(cci: SandboxThread) -> None:
    assert_unauthenticated(listed(cci, "wrong"), "decrypt token fail")


def test_a_wrong_token_is_refused_even_with_other_valid_credentials(cci: SandboxThread) -> None:
    headers = {
        "X-Auth-Token": "wrong",
        "Authorization": f"Bearer {cci.sandbox.token(ADMIN)}",
    }

    refused = cci.client.request("GET", JOBS, headers=headers)

    assert_unauthenticated(refused, "decrypt token fail")


def test_a_token_expires() -> None:
    with serving(token_lifetime=0.0) as running:
        assert_unauthenticated(listed(running, logged_in(running)), "decrypt token fail")
        assert running.client.request("GET", JOBS).status == 200, "the lasting token lasts"


def test_expired_tokens_are_invalid_and_removed() -> None:
    now = 100.0
    tokens = Tokens(lifetime=10.0, wall=lambda: now)
    first = tokens.issue()

    now = 109.9
    second = tokens.issue()
    assert tokens.is_valid(first.token)
    assert first.token != second.token

    now = 110.0
    assert not tokens.is_valid(first.token)
    assert tokens.is_valid(second.token)
    tokens.issue()
    assert len(tokens) == 2


def test_a_revoked_token_is_refused_before_the_request_is_carried_out() -> None:
    with serving(ChaosRule(action=Action.REVOKE, names=("one",), times=1)) as running:
        path = create(running, "one")
        token = logged_in(running)
        headers = {"X-Auth-Token": token}
        refused = running.client.request("PATCH", path, relabel(q="5"), MERGE, headers=headers)

        assert_unauthenticated(refused, "decrypt token fail")
        assert metadata(running, path)["labels"] == {"app": "etl"}
        headers = {"X-Auth-Token": logged_in(running)}
        again = running.client.request("PATCH", path, relabel(q="5"), MERGE, headers=headers)
        assert again.status == 200
        assert logins(running) == 2


def test_a_signed_request_is_accepted(cci: SandboxThread, stranger: Client) -> None:
    path = create(cci, "one")

    for name in ("Content-Type", "content-type"):  # the signer hashes the body of the second only
        body = b'{"metadata": {"labels": {"by": "%s"}}}' % name.encode()
        headers = signed(cci, "PATCH", path, {name: MERGE}, body)
        answer = stranger.request("PATCH", path, body, MERGE, headers=headers)
        assert (answer.status, answer.body["metadata"]["labels"]["by"]) == (200, name)


@pytest.mark.parametrize("query", ["labelSelector=app%20in%20%28etl%29&limit=5", ""])
def test_a_signed_query_is_accepted(cci: SandboxThread, stranger: Client, query: str) -> None:
    pairs = [("limit", "5"), ("labelSelector", "app in (etl)")] if query else []
    headers = sign(key_of(cci), "GET", JOBS, pairs, host=host_of(cci))

    assert stranger.request("GET", f"{JOBS}?{query}", headers=headers).status == 200


def test_a_signature_is_valid_for_one_request(cci: SandboxThread, stranger: Client) -> None:
    path = create(cci, "one")
    headers = signed(cci, "PATCH", path, {"content-type": MERGE}, b"{}")

    refused = stranger.request("PATCH", path, relabel(q="5"), MERGE, headers=headers)

    assert_unauthenticated(refused, "verify aksk signature fail")


def test_an_old_signature_is_refused(cci: SandboxThread, stranger: Client) -> None:
    headers = signed(cci, "GET", JOBS, {}, now=1_790_000_000.0)

    refused = stranger.request("GET", JOBS, headers=headers)

    assert_unauthenticated(refused, "verify aksk signature fail: signature expired")


def test_a_signed_request_may_name_only_its_own_project(
    cci: SandboxThread, stranger: Client
) -> None:
    project = cci.sandbox.credentials.project

    def status(project: str) -> int:
        headers = signed(cci, "GET", JOBS, {"X-Project-Id": project})
        return stranger.request("GET", JOBS, headers=headers).status

    assert [status(project), status(identifier(project)), status("another")] == [200, 200, 401]


def signed(
    running: SandboxThread,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes = b"",
    now: float | None = None,
) -> dict[str, str]:
    """All headers of a signed request but Content-Type, which the client adds by itself."""
    key = key_of(running)
    headers = sign(key, method, path, (), headers, body, host=host_of(running), now=now)
    return {name: value for name, value in headers.items() if name.lower() != "content-type"}


def key_of(running: SandboxThread) -> Key:
    known = running.sandbox.credentials
    return Key(known.access_key, known.secret_key)


def host_of(running: SandboxThread) -> str:
    return running.sandbox.ready.server.removeprefix("http://")


@pytest.mark.parametrize(("user", "status"), [(ADMIN, 200), (GUEST, 403)])
def test_a_bearer_token_authenticates_its_user(
    cci: SandboxThread, stranger: Client, user: str, status: int
) -> None:
    token = cci.sandbox.token(user)

    assert stranger.request("GET", JOBS, token=token).status == status
    assert_unauthenticated(stranger.request("GET", JOBS, token="x"), "decrypt token fail")


async def test_a_kubernetes_client_can_use_the_kubeconfig(cci: SandboxThread) -> None:
    path = create(cci, "one")
    config = KubeConfig.from_file(cci.sandbox.ready.kubeconfig)
    client = lightkube.AsyncClient(config=config)
    body = {"metadata": {"labels": {"q": "5"}}}

    found = [job async for job in client.list(Job, namespace="*")]
    await client.patch(Job, "one", body, namespace=NAMESPACE, patch_type=PatchType.MERGE)
    await client.close()

    assert len(found) == 1
    assert metadata(cci, path)["labels"] == {"app": "etl", "q": "5"}


async def test_the_credentials_file_is_private_and_in_the_directory_of_the_kubeconfig(
    tmp_path: Path,
) -> None:
    options = SandboxOptions(
        jobs=0, provider=ProviderName.CCI, kubeconfig=tmp_path / "some.kubeconfig"
    )
    async with Sandbox.start(options) as sandbox:
        path = sandbox.ready.credentials
        assert path == tmp_path / "cci.env"
        lines = path.read_text(encoding="utf-8").splitlines()
        known = sandbox.credentials

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert dict(line.split("=", 1) for line in lines) == {
        "CCI_TOKEN": known.token,
        "CCI_DOMAIN": known.domain,
        "CCI_USER": known.user,
        "CCI_PASSWORD": known.password,
        "CCI_PROJECT": known.project,
        "CCI_ACCESS_KEY": known.access_key,
        "CCI_SECRET_KEY": known.secret_key,
    }


async def test_credentials_are_new_at_each_start_and_never_shown() -> None:
    options = SandboxOptions(jobs=0, provider=ProviderName.CCI)
    async with Sandbox.start(options) as first, Sandbox.start(options) as second:
        one, other = first.credentials, second.credentials
        path = first.ready.credentials

    assert path is not None
    assert not path.exists(), "a directory of its own goes with the sandbox"
    for secret in ("token", "password", "access_key", "secret_key"):
        assert getattr(one, secret) != getattr(other, secret)
        assert getattr(one, secret) not in repr(one)


async def test_credentials_that_cannot_be_written_are_reported(tmp_path: Path) -> None:
    (tmp_path / "cci.env").mkdir()
    options = SandboxOptions(
        jobs=0, provider=ProviderName.CCI, kubeconfig=tmp_path / "some.kubeconfig"
    )

    with pytest.raises(SurroundingsError, match=r"cci\.env: cannot be written"):
        async with Sandbox.start(options):
            pass


async def test_only_credentials_of_a_sandbox_are_replaced(tmp_path: Path) -> None:
    path, kubeconfig = tmp_path / "cci.env", tmp_path / "some.kubeconfig"
    options = SandboxOptions(jobs=0, provider=ProviderName.CCI, kubeconfig=kubeconfig)
    async with Sandbox.start(options):
        pass
    async with Sandbox.start(options) as again:
        written = path.read_text(encoding="utf-8")
        assert again.credentials.token in written

    for text in (written.replace("sandbox-domain", "acme"), f"{written}MORE=1\n", "CCI_TOKEN=x\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=r"cci\.env exists already, .* in another folder with"):
            async with Sandbox.start(options):
                pass
        assert path.read_text(encoding="utf-8") == text


def test_the_kubernetes_sandbox_does_not_have_these_paths(running: SandboxThread) -> None:
    assert running.sandbox.ready.credentials is None
    assert running.client.request("POST", LOGIN, login_of(running)).status == 404
    assert running.client.request("GET", JOBS, headers={"X-Auth-Token": "x"}).status == 200
    path = BATCH.path(NAMESPACE, "nope")
    assert running.client.request("PATCH", f"{path}?fieldManager=x", {}, MERGE).status == 404
