"""TLS, against real local servers with certificates made by openssl.

Covered: verification by the kubeconfig's authority (a root, an intermediate authority, the server's
own certificate, a bundle), its absence (the system's authorities, also for a proxy), another name,
verification switched off, client certificates. Left out: public authorities.
"""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import uvloop

from fleetpatch.errors import ClusterError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from tests.kube.kubeconfig.kubeconfigs import certificate, chain, cluster, kubeconfig, server_tls
from tests.kube.peers import VirtualClock, an_object, http, in_turn, merge, serve, target


async def patched(tmp_path: Path, *, user: dict[str, Any] | None = None, **more: Any) -> Reply:
    """Patch over TLS; `more` are the cluster's settings, `authority` among them."""
    clients = tmp_path / "client.crt"
    tls, authority = server_tls(tmp_path, clients=clients if clients.exists() else None)
    if more.pop("trusted", True):
        more["certificate_authority"] = str(authority)
    async with serve(in_turn(http(200, an_object())), tls) as peer:
        host = more.pop("host", "127.0.0.1")
        server = peer.url.replace("127.0.0.1", host)
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(server, **more), user=user)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            return await api.patch(target(), merge(b"{}"), dry_run=False)


async def test_a_server_is_verified_by_the_kubeconfigs_authority(tmp_path: Path) -> None:
    assert isinstance(await patched(tmp_path), Answer)


async def test_a_server_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    reply = await patched(tmp_path, trusted=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE
    assert "certificate is not trusted" in reply.detail


async def test_a_server_without_an_authority_in_the_kubeconfig_is_verified_by_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.crt"))

    assert isinstance(await patched(tmp_path, trusted=False), Answer)


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_proxy_with_tls_is_verified_by_the_systems_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    tls, authority = server_tls(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority) if trusted else os.devnull)
    async with serve(in_turn(http(200, an_object())), tls) as proxy:
        connection = Connection("ctx", "clu", "http://host.invalid", proxy=proxy.url)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            reply = await api.get(target())

    assert isinstance(reply, Answer if trusted else NoAnswer)


@contextmanager
def silent(tls: ssl.SSLContext) -> Iterator[tuple[str, threading.Event]]:
    """A server in a thread that answers nothing, not even the end of a connection.

    Yields its URL, and an event that is set when a request has come.
    """
    asked, over = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with tls.wrap_socket(listener.accept()[0], server_side=True) as peer:
                peer.recv(1024)
                asked.set()
                over.wait()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            over.set()
            thread.join()


def test_a_connection_whose_request_was_cancelled_is_closed_before_the_event_loop_is(
    tmp_path: Path,
) -> None:
    tls, authority = server_tls(tmp_path)

    async def cancel_a_read(url: str, asked: threading.Event) -> None:
        settings = cluster(url, certificate_authority=str(authority))
        file = kubeconfig(tmp_path / "config", the_cluster=settings)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with (
            ApiServer("test", connection, clock=VirtualClock()) as api,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(api.get, target())
            await anyio.to_thread.run_sync(asked.wait)
            tasks.cancel_scope.cancel()

    with silent(tls) as (url, asked), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(cancel_a_read(url, asked))


async def test_a_server_of_another_name_is_refused(tmp_path: Path) -> None:
    reply = await patched(tmp_path, host="localhost")

    assert isinstance(reply, NoAnswer)
    assert "certificate is not trusted" in reply.detail


async def test_a_kubeconfig_may_set_another_server_name(tmp_path: Path) -> None:
    reply = await patched(tmp_path, host="localhost", tls_server_name="other.example")

    assert isinstance(reply, Answer)


async def test_verification_is_off_where_the_kubeconfig_says_so(tmp_path: Path) -> None:
    reply = await patched(tmp_path, trusted=False, insecure_skip_tls_verify=True)

    assert isinstance(reply, Answer)


async def test_a_client_certificate_is_sent(tmp_path: Path) -> None:
    made, key = certificate(tmp_path, "client")
    user = {"client-certificate": made.name, "client-key": key.name}

    assert isinstance(await patched(tmp_path, user=user), Answer)


async def test_a_client_without_the_certificate_gets_no_answer(tmp_path: Path) -> None:
    certificate(tmp_path, "client")

    reply = await patched(tmp_path)

    assert isinstance(reply, NoAnswer)


async def test_plain_http_to_a_tls_server_is_one_clear_line(tmp_path: Path) -> None:
    tls, _authority = server_tls(tmp_path)
    async with serve(in_turn(http(200)), tls) as peer:
        server = peer.url.replace("https", "http")
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(server))
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            with pytest.raises(ClusterError, match=r"gave up|cannot read") as caught:
                await api.resources()

    assert "\n" not in str(caught.value)


async def asked(made: dict[str, Path], authority: Path, *sent: str) -> Reply:
    """Read an object over TLS from a server that shows the certificates `sent`."""
    shown = authority.parent / "shown.pem"
    shown.write_text("".join(made[name].read_text() for name in sent))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(shown, made["key"])
    async with serve(in_turn(http(200, an_object())), tls) as peer:
        the_cluster = cluster(peer.url, certificate_authority=str(authority))
        file = kubeconfig(authority.parent / "config", the_cluster=the_cluster)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            return await api.get(target())


@pytest.mark.parametrize(
    ("trusted", "sent"),
    [
        ("root", ("server", "intermediate")),
        ("intermediate", ("server",)),
        ("intermediate", ("server", "intermediate")),
        ("server", ("server",)),
        ("server", ("server", "intermediate")),
    ],
)
async def test_every_certificate_of_the_chain_can_be_the_authority(
    tmp_path: Path, trusted: str, sent: tuple[str, ...]
) -> None:
    made = chain(tmp_path)

    assert isinstance(await asked(made, made[trusted], *sent), Answer)


async def test_an_authority_may_be_one_of_several_in_its_file(tmp_path: Path) -> None:
    made = chain(tmp_path)
    other, _key = certificate(tmp_path, "other")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"# ours\n{other.read_text()}\n\n{made['intermediate'].read_text()}")

    assert isinstance(await asked(made, bundle, "server"), Answer)


async def test_a_certificate_beside_the_chain_is_not_its_authority(tmp_path: Path) -> None:
    made = chain(tmp_path)
    other, _key = certificate(tmp_path, "other")

    for authority, sent in ((other, ("server", "intermediate")), (made["root"], ("server",))):
        reply = await asked(made, authority, *sent)
        assert isinstance(reply, NoAnswer)
        assert "certificate is not trusted" in reply.detail


async def test_a_trusted_certificate_must_be_for_the_server(tmp_path: Path) -> None:
    made = chain(tmp_path, "subjectAltName=DNS:other.example")

    reply = await asked(made, made["server"], "server")

    assert isinstance(reply, NoAnswer)
    assert "certificate is not trusted" in reply.detail
