"""Connections made from kubeconfig files.

Covered: where files are found and how several are merged, each kind of credentials, renewal,
proxies, and that nothing secret is logged. Left out: mistakes (test_connect_mistakes), pods
(test_in_cluster), TLS handshakes (test_tls), and in detail log-ins (test_static_auth,
test_exec_auth, test_impersonation).
"""

import base64
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube import connect
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.model.change import PatchOptions, PatchRequest, PatchType
from fleetpatch.model.providers.capability import ProviderName
from tests.kube.kubeconfig.kubeconfigs import certificate, cluster, kubeconfig, plugin, runs
from tests.kube.kubeconfig.loading import load
from tests.kube.peers import TOKEN, VirtualClock, an_object, http, in_turn, serve, target

pytestmark = pytest.mark.usefixtures("no_surroundings")

open_cluster = partial(connect.open_cluster, concurrency=32, timeout=30.0, run="")


def files_in(folder: Path) -> set[Path]:
    return set(folder.iterdir())


async def test_the_current_context_of_the_home_directory_is_the_default(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config")

    connection = await connect_to_context(environ={})

    assert connection.context == connection.cluster == "prod"
    assert connection.server == "https://host:6443"
    assert connection.grant.headers["Authorization"] == f"Bearer {TOKEN}"
    assert connection.renewal is None
    assert not connection.insecure


async def test_several_files_are_merged_and_the_first_takes_precedence(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", name="a", the_cluster=cluster("https://a"), current="b")
    second = kubeconfig(tmp_path / "b", name="b", the_cluster=cluster("https://b/"), current="a")
    third = kubeconfig(tmp_path / "c", name="a", the_cluster=cluster("https://other"))
    missing = tmp_path / "missing"
    empty = tmp_path / "empty"
    empty.touch()

    assert (await load(empty, first, missing, second, third)).server == "https://b"
    assert (await load(first, second, third, context="a")).server == "https://a"


async def test_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    users, clusters = tmp_path / "users", tmp_path / "clusters"
    users.mkdir()
    clusters.mkdir()
    made, _key = certificate(clusters)
    (users / "token").write_text(f"{TOKEN}\n")
    kubeconfig(clusters / "config", the_cluster=cluster(certificate_authority=made.name))
    content = json.loads((clusters / "config").read_text())
    (users / "config").write_text(
        json.dumps({"users": [{"name": "prod", "user": {"tokenFile": "token"}}]})
    )
    (clusters / "config").write_text(json.dumps(content | {"users": None}))

    connection = await load(users / "config", clusters / "config")

    assert connection.grant.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    user = {"tokenFile": "token", "token": "passed over"}
    connection = await load(kubeconfig(tmp_path / "config", user=user))
    assert connection.grant.headers["Authorization"] == "Bearer one"
    assert connection.grant.fresh_for == 60

    (tmp_path / "token").write_text("two\n")
    assert connection.renewal is not None
    grant = await connection.renewal()

    assert grant.headers["Authorization"] == "Bearer two"
    assert grant.tls is connection.grant.tls


async def test_a_name_and_password_are_sent_as_basic(tmp_path: Path) -> None:
    user = {"username": "alice", "password": "pass:word"}

    connection = await load(kubeconfig(tmp_path / "config", user=user))

    encoded = base64.b64encode(b"alice:pass:word").decode()
    assert connection.grant.headers["Authorization"] == f"Basic {encoded}"


async def test_a_context_without_a_user_is_anonymous(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text())
    del content["contexts"][0]["context"]["user"]
    file.write_text(json.dumps(content))

    assert not (await load(file)).grant.headers


async def test_client_certificates_as_data_leave_no_file_behind(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    user = {
        "client-certificate-data": base64.b64encode(made.read_bytes()).decode(),
        "client-key-data": base64.b64encode(key.read_bytes()).decode(),
    }
    file = kubeconfig(tmp_path / "config", user=user)
    before = files_in(tmp_path)

    connection = await load(file)

    assert connection.grant.tls is not None
    assert files_in(tmp_path) == before


async def test_an_exec_plugin_prints_a_token_and_is_run_again_for_a_new_one(tmp_path: Path) -> None:
    user = plugin(
        tmp_path, 'credential(token=f"tok-{run}", expirationTimestamp="2999-01-01T00:00:00Z")'
    )
    user["exec"]["command"] = "./plugin"
    connection = await load(kubeconfig(tmp_path / "config", user=user))
    assert connection.grant.headers["Authorization"] == "Bearer tok-1"

    assert connection.renewal is not None
    assert (await connection.renewal()).headers["Authorization"] == "Bearer tok-2"
    assert runs(tmp_path) == 2


async def test_an_exec_plugin_gets_its_arguments_and_environment(tmp_path: Path) -> None:
    user = plugin(tmp_path, 'credential(token=sys.argv[1] + os.environ["EXTRA"])')
    user["exec"] |= {"args": ["get"], "env": [{"name": "EXTRA", "value": "-it"}]}

    connection = await load(kubeconfig(tmp_path / "config", user=user))

    assert connection.grant.headers["Authorization"] == "Bearer get-it"


async def test_an_exec_plugin_may_print_a_certificate(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    user = plugin(
        tmp_path,
        f"credential(clientCertificateData=open({str(made)!r}).read(), "
        f"clientKeyData=open({str(key)!r}).read())",
    )

    connection = await load(kubeconfig(tmp_path / "config", user=user))

    assert not connection.grant.headers
    assert connection.grant.tls is not None


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("sys.exit('session expired, log in')", "session expired, log in"),
        (f"sys.exit('no: {TOKEN}xxxx')", r"no: \[redacted\]"),
        (f"print('{TOKEN}')", "did not print an ExecCredential: not JSON"),
        ("print('{}')", "missing required field `apiVersion`"),
        ("credential()", "neither a token nor a certificate"),
        ("credential(clientCertificateData='x')", "a certificate without its key"),
        ("print(json.dumps({'apiVersion': 'v0', 'kind': '', 'status': {}}))", "another `kind`"),
        (
            'print(\'{"apiVersion": "client.authentication.k8s.io/v1", "kind": 0, "status": 0}\')',
            "failed",
        ),
    ],
)
async def test_the_error_of_a_failed_exec_plugin_is_one_line_with_advice(
    tmp_path: Path, answers: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = kubeconfig(tmp_path / "config", user=plugin(tmp_path, answers))

    with pytest.raises(CredentialsError, match=message) as caught:
        await load(file)

    text = str(caught.value)
    assert "context 'prod'" in text
    assert "run it by hand" in text
    assert TOKEN not in text
    assert "\n" not in text
    # What a plugin writes to stderr is for the person, and nothing else is written there.
    assert capfd.readouterr().err.strip() in answers


async def test_an_exec_plugin_that_is_not_installed_is_named(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}}

    with pytest.raises(CredentialsError, match=r"'no-such-plugin' failed .No such file"):
        await load(kubeconfig(tmp_path / "config", user=user))


async def test_a_kubeconfig_may_switch_verification_off(tmp_path: Path) -> None:
    the_cluster = cluster(insecure_skip_tls_verify=True, tls_server_name="other.example")

    connection = await load(kubeconfig(tmp_path / "config", the_cluster=the_cluster))

    assert connection.insecure
    assert connection.server_name == "other.example"
    assert connection.grant.tls is not None
    assert not connection.grant.tls.check_hostname


async def test_the_proxy_is_the_kubeconfigs_or_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://theirs:1")
    monkeypatch.setenv("NO_PROXY", "direct.example")

    async def proxy(server: str, **more: Any) -> str | None:
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(server, **more))
        return (await load(file)).proxy

    assert await proxy("https://host", proxy_url="http://ours:1") == "http://ours:1"
    assert await proxy("https://host") == "http://theirs:1"
    assert await proxy("https://direct.example") is None
    assert await proxy("https://127.0.0.1:1") is None
    with pytest.raises(KubeconfigError, match="proxy-url"):
        await proxy("https://host", proxy_url="socks5://user:pass@host")


async def test_a_token_that_rotates_is_sent_within_a_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    clock = VirtualClock()
    async with serve(in_turn(http(200, an_object()))) as peer:
        file = kubeconfig(
            tmp_path / "config", the_cluster=cluster(peer.url), user={"tokenFile": "token"}
        )
        async with ApiServer("test", await load(file), clock=clock) as api:
            await api.get(target())
            (tmp_path / "token").write_text("two")
            await api.get(target())
            clock.now += 60
            await api.get(target())
            await api.get(target())
            (tmp_path / "token").unlink()
            clock.now += 60
            await api.get(target())
            await api.get(target())

    sent = [request.headers["authorization"] for request in peer.requests]
    # It is read again beside the request that finds it due.
    assert sent == ["Bearer one"] * 3 + ["Bearer two"] * 3


async def test_a_cluster_is_opened_by_its_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(in_turn(http(200, an_object()))) as peer:
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(peer.url))
        monkeypatch.setenv("KUBECONFIG", str(file))
        async with open_cluster(name="prod-a", context="prod", clock=VirtualClock()) as api:
            await api.get(target())

    assert (api.name, api.server, api.context) == ("prod-a", peer.url, "prod")
    assert peer.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_patch_has_the_query_that_its_provider_takes_also_behind_a_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = PatchRequest(PatchType.MERGE, b"{}", PatchOptions("us"))
    async with serve(in_turn(http(200, an_object()), http(200, an_object()))) as peer:
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(peer.url))
        monkeypatch.setenv("KUBECONFIG", str(file))
        for provider in ProviderName:
            async with open_cluster(provider=provider, clock=VirtualClock()) as api:
                await api.patch(target(), body)

    assert [request.query for request in peer.requests] == [{"fieldManager": "us"}, {}]


async def test_nothing_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    user = plugin(tmp_path, f"sys.exit('{TOKEN}')")

    with pytest.raises(CredentialsError):
        await load(kubeconfig(tmp_path / "config", user=user))

    assert TOKEN not in caplog.text
