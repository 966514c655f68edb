"""The protocol of exec plugins, by client-go's rules, with real plugins.

Covered: what a plugin receives but for the cluster, how it is found, what it may print, when it is
run again, and that nothing secret is quoted. Left out: its process (test_exec_process), the cluster
(test_exec_cluster), which credentials take precedence over a plugin (test_static_auth), shared
renewals (test_credentials).
"""

import json
import math
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.kubeconfig import exec_auth
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.model.answer import Answer
from tests.kube.kubeconfig.kubeconfigs import (
    certificate,
    cluster,
    kubeconfig,
    plugin,
    runs,
    server_tls,
)
from tests.kube.kubeconfig.plugins import NOW, V1, V1BETA1, load, recorded, recording
from tests.kube.peers import TOKEN, VirtualClock, an_object, http, in_turn, serve, target


@pytest.fixture
def terminal() -> Iterator[int]:
    """Make stdin a terminal; yields the descriptor that a person would type into."""
    person, ours = os.openpty()
    stdin = os.dup(0)
    os.dup2(ours, 0)
    yield person
    os.dup2(stdin, 0)
    for number in (person, ours, stdin):
        os.close(number)


@pytest.mark.parametrize("api_version", [V1, V1BETA1])
async def test_a_plugin_receives_the_version_and_that_it_is_not_interactive(
    tmp_path: Path, api_version: str
) -> None:
    await load(tmp_path, recording(tmp_path), apiVersion=api_version)

    spec = {"interactive": False}
    assert recorded(tmp_path) == [
        {"kind": "ExecCredential", "apiVersion": api_version, "spec": spec},
        "",
    ]


@pytest.mark.parametrize(
    ("mode", "interactive"),
    [("Never", False), ("IfAvailable", True), ("Always", True), (None, True), ("", True)],
)
async def test_a_plugin_that_may_ask_gets_the_terminal(
    tmp_path: Path, terminal: int, mode: str | None, interactive: bool
) -> None:
    os.write(terminal, b"s3cr3t\n\x04")

    await load(tmp_path, recording(tmp_path), interactiveMode=mode)

    asked, stdin = recorded(tmp_path)
    assert asked["spec"] == {"interactive": interactive}
    assert stdin == ("s3cr3t\n" if interactive else "")


async def test_a_plugin_that_must_ask_needs_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="standard input is not a terminal; start fleetpat"):
        await load(tmp_path, recording(tmp_path), interactiveMode="Always")
    assert runs(tmp_path) == 0


async def test_a_command_without_a_slash_is_looked_up_in_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = plugin(tmp_path, "credential(token='its')", name="my-plugin")
    monkeypatch.chdir(tmp_path)
    for relative in ("", ".", f"{os.curdir}/."):
        monkeypatch.setenv("PATH", f"{relative}:/nowhere")
        with pytest.raises(CredentialsError, match=r"'my-plugin' failed \(No such file"):
            await load(tmp_path, user, command="my-plugin")
    monkeypatch.setenv("PATH", f".:{tmp_path}")
    # The plugin's own variables do not take part in the search for it.
    env = [{"name": "PATH", "value": "/nowhere"}]

    connection = await load(tmp_path, user, command="my-plugin", env=env)

    assert connection.grant.headers["Authorization"] == "Bearer its"


@pytest.mark.parametrize("command", ["./plugin", "sub/../plugin", ".//plugin"])
async def test_a_command_with_a_slash_is_relative_to_the_kubeconfig(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "sub").mkdir()

    connection = await load(tmp_path, plugin(tmp_path, "credential(token='its')"), command=command)

    assert connection.grant.headers["Authorization"] == "Bearer its"


async def test_the_error_of_a_plugin_that_is_not_installed_has_its_hint(tmp_path: Path) -> None:
    hint = "brew install \x1b[1mit\x1b[0m\n\nor see https://example.com"

    with pytest.raises(CredentialsError) as caught:
        await load(tmp_path, plugin(tmp_path, ""), command="no-such", installHint=hint)

    assert "install it: brew install it or see https://example.com" in str(caught.value)


async def test_the_last_value_of_a_variable_reaches_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOR_THE_TEST", "ours")
    names = ("FOR_THE_TEST", "EMPTY", "TWICE")
    user = plugin(tmp_path, f"credential(token='-'.join(os.environ[n] for n in {names}))")
    env = [
        {"name": "FOR_THE_TEST", "value": "its"},
        {"name": "EMPTY", "value": None},
        {"name": "TWICE", "value": "a"},
        {"name": "TWICE", "value": "b"},
    ]

    connection = await load(tmp_path, user, env=env)

    assert connection.grant.headers["Authorization"] == "Bearer its--b"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"command": None}, "`exec` of its user has no `command`"),
        ({"command": ""}, "`exec` of its user has no `command`"),
        ({"command": ["a"]}, r"is not valid: Expected `str \| null`, got `array`"),
        ({"apiVersion": None}, "`apiVersion` of `exec` must be one of"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "update the kubeconfig"),
        ({"apiVersion": "v1"}, "`apiVersion` of `exec` must be one of"),
        ({"args": "get"}, "is not valid"),
        ({"args": [1]}, "is not valid"),
        ({"env": [{"name": "", "value": "x"}]}, "an `env` of `exec` has no name"),
        ({"env": [{"value": "x"}]}, "is not valid"),
        ({"env": {"A": "b"}}, "is not valid"),
        ({"env": [{"name": "A=B", "value": "x"}]}, "no process can take"),
        ({"args": ["a\0b"]}, "no process can take"),
        ({"command": "/a\0b"}, "no process can take"),
        ({"interactiveMode": "Sometimes"}, "is not valid"),
        ({"provideClusterInfo": "yes"}, "is not valid"),
    ],
)
async def test_an_exec_that_is_not_valid_is_an_error_of_the_kubeconfig(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(KubeconfigError, match=message):
        await load(tmp_path, plugin(tmp_path, "credential(token='its')"), **change)
    assert runs(tmp_path) == 0


GOOD = {"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "its"}}


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        GOOD | {"spec": {"interactive": False}, "more": [1]},
        GOOD | {"status": {"token": "its", "expirationTimestamp": None, "more": 1}},
        GOOD | {"status": {"token": "its", "clientCertificateData": "", "clientKeyData": None}},
        GOOD | {"status": {"token": " its\n"}},
    ],
)
async def test_an_answer_of_the_protocol_is_accepted(
    tmp_path: Path, answer: dict[str, Any]
) -> None:
    connection = await load(tmp_path, plugin(tmp_path, f"print({json.dumps(answer)!r})"))

    assert connection.grant.headers["Authorization"] == "Bearer its"
    assert connection.grant.fresh_for == math.inf


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"apiVersion": V1, "status": {"token": "its"}}, "missing required field `kind`"),
        (GOOD | {"kind": "Pod"}, "another `kind`"),
        (GOOD | {"kind": None}, "not print an ExecCredential"),
        ({"kind": "ExecCredential", "status": {"token": "its"}}, "required field `apiVersion`"),
        (GOOD | {"apiVersion": "client.authentication.k8s.io/v9"}, "does not match"),
        (GOOD | {"apiVersion": V1BETA1}, "does not match"),
        (GOOD | {"status": None}, "neither a token nor a certificate"),
        ({"apiVersion": V1, "kind": "ExecCredential"}, "neither a token nor a certificate"),
        (GOOD | {"status": {"token": ""}}, "neither a token nor a certificate"),
        (GOOD | {"status": {"token": 5}}, "Expected `str"),
        (GOOD | {"status": {"token": "its", "clientKeyData": "x"}}, "a key without its"),
        (GOOD | {"status": {"clientCertificateData": "x"}}, "certificate without its key"),
        (GOOD | {"status": {"token": "a\r\nX: y"}}, "its token contains a line end"),
        (
            GOOD | {"status": {"clientCertificateData": "x", "clientKeyData": "y"}},
            "certificate and key cannot be used",
        ),
        (GOOD | {"status": {"token": "its", "expirationTimestamp": ""}}, "RFC3339"),
        (GOOD | {"status": {"token": "its", "expirationTimestamp": 5}}, "Expected"),
        (GOOD | {"status": {"token": "its", "expirationTimestamp": "2026-11-26"}}, "RFC3339"),
        (
            GOOD | {"status": {"token": "its", "expirationTimestamp": "2026-11-26T00:00:00"}},
            "timezone",
        ),
        ([GOOD], "not print an ExecCredential"),
        ("its", "not print an ExecCredential"),
    ],
)
async def test_any_other_output_is_refused_and_not_quoted(
    tmp_path: Path, answer: Any, message: str
) -> None:
    with pytest.raises(CredentialsError, match=message) as caught:
        await load(tmp_path, plugin(tmp_path, f"print({json.dumps(answer)!r})"))

    assert "'its'" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "the credential plugin" in str(caught.value)


@pytest.mark.parametrize(
    "output", ["", f"{TOKEN}", "{", json.dumps(GOOD) + "x", "[" * 100_000, "\\xff", "\\x00"]
)
async def test_an_answer_that_is_not_json_is_refused(tmp_path: Path, output: str) -> None:
    with pytest.raises(CredentialsError, match="not print an ExecCredential") as caught:
        await load(tmp_path, plugin(tmp_path, f"sys.stdout.buffer.write(b{output!r})"))

    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("expires", "fresh_for"),
    [
        ("2026-11-26T13:00:00Z", 3600 - 60),
        ("2026-11-26T13:00:00.123456789Z", 3600 - 60),
        ("2026-11-26T14:00:00+01:00", 3600 - 60),
        ("2026-11-26T12:01:40Z", 80),
        ("2026-11-26T12:00:01Z", 10),
        ("2026-11-26T11:00:00Z", 10),
        ("0001-01-01T00:00:00Z", 10),
    ],
)
async def test_a_plugin_is_run_again_shortly_before_its_credential_expires(
    tmp_path: Path, expires: str, fresh_for: float
) -> None:
    user = plugin(tmp_path, f"credential(token='its', expirationTimestamp={expires!r})")

    assert (await load(tmp_path, user)).grant.fresh_for == pytest.approx(fresh_for, abs=1)


async def test_an_expired_credential_is_replaced_while_requests_go_on(tmp_path: Path) -> None:
    clock = VirtualClock(now=NOW)
    user = plugin(
        tmp_path,
        "minutes = 10 * run\n"
        'credential(token=f"its-{run}", expirationTimestamp=f"2026-11-26T12:{minutes}:00Z")',
    )
    async with serve(in_turn(http(200, an_object()))) as peer:
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(peer.url), user=user)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)}, now=clock.wall)
        async with ApiServer("test", connection, clock=clock) as api:
            await api.get(target())
            clock.now += 10 * 60 - 60
            await api.get(target())
            refreshing = api._transport.credentials._refreshing
            assert refreshing is not None
            await refreshing
            await api.get(target())

    sent = [request.headers["authorization"] for request in peer.requests]
    assert sent == ["Bearer its-1", "Bearer its-1", "Bearer its-2"]
    assert runs(tmp_path) == 2


async def test_a_certificate_and_a_token_are_both_sent(tmp_path: Path) -> None:
    client, key = certificate(tmp_path, "client")
    tls, authority = server_tls(tmp_path, clients=client)
    user = plugin(
        tmp_path,
        f"credential(token='its', clientCertificateData=open({str(client)!r}).read(), "
        f"clientKeyData=open({str(key)!r}).read())",
    )
    async with serve(in_turn(http(200, an_object())), tls) as peer:
        the_cluster = cluster(peer.url, certificate_authority=str(authority))
        connection = await load(tmp_path, user, the_cluster)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            assert isinstance(await api.get(target()), Answer)

    assert peer.requests[0].headers["authorization"] == "Bearer its"


async def test_connections_are_kept_as_long_as_the_certificate_is_the_same(tmp_path: Path) -> None:
    for name in ("a", "b"):
        certificate(tmp_path, name)
    user = plugin(
        tmp_path,
        f"name = {str(tmp_path)!r} + '/' + 'aab'[run - 1]\n"
        "credential(clientCertificateData=open(name + '.crt').read(), "
        "clientKeyData=open(name + '.key').read())",
    )
    connection = await load(tmp_path, user)
    assert connection.renewal is not None
    again, other = await connection.renewal(), await connection.renewal()

    assert again == connection.grant
    assert isinstance(connection.grant.tls, ssl.SSLContext)
    assert other.tls is not connection.grant.tls
    tokens = await load(tmp_path, plugin(tmp_path, "credential(token=str(run))"))
    assert tokens.renewal is not None
    assert (await tokens.renewal()).tls is tokens.grant.tls


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (f"no: {TOKEN}xxxx", "no: [redacted]"),
        ("login with password=hunter2 failed", "login with password=[redacted] failed"),
        ("401 for Authorization: Bearer abc.def", "401 for Authorization: Bearer [redacted]"),
        ("x" * 295 + f" {TOKEN}", "[redacted] [redacted]"),
        ("several lines\nthe last one", "exit code 1: the last one"),
        ("\x1b[31mred\x1b[0m", "exit code 1: red"),
        ("", "(exit code 1)"),
    ],
)
async def test_the_last_line_of_a_failed_plugin_is_quoted_without_secrets(
    tmp_path: Path, words: str, shown: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        await load(tmp_path, plugin(tmp_path, f"sys.stderr.write({words!r}); sys.exit(1)"))

    assert shown in str(caught.value)
    for secret in (TOKEN, TOKEN[:10], "hunter2", "abc.def"):
        assert secret not in str(caught.value)


async def test_a_plugin_that_is_killed_is_reported_with_the_signal(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"failed \(signal 9\)"):
        await load(tmp_path, plugin(tmp_path, "os.kill(os.getpid(), 9)"))


async def test_a_plugin_that_hangs_or_floods_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_auth, "TIME_LIMIT", 0.2)
    with pytest.raises(CredentialsError, match=r"did not end within 0\.2 s; run it by hand"):
        await load(tmp_path, plugin(tmp_path, "import time; time.sleep(1000)"))
    monkeypatch.setattr(exec_auth, "TIME_LIMIT", 30)
    with pytest.raises(CredentialsError, match="it printed more than 1 MiB"):
        await load(tmp_path, plugin(tmp_path, "while True: print('x' * 10000)"))


async def test_a_command_that_is_not_executable_is_reported(tmp_path: Path) -> None:
    user = plugin(tmp_path, "")
    (tmp_path / "plugin").chmod(0o644)

    with pytest.raises(CredentialsError, match=r"failed \(Permission denied\)"):
        await load(tmp_path, user)
