"""Impersonation by a kubeconfig's user, as headers on the wire, whatever the log-in.

Left out: how a server handles the headers (test_control_plane).
"""

from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from tests.kube.kubeconfig.kubeconfigs import certificate, cluster, kubeconfig, plugin, server_tls
from tests.kube.peers import (
    TOKEN,
    VirtualClock,
    an_object,
    http,
    in_turn,
    merge,
    serve,
    status,
    target,
)

ALICE = {
    "as": "alice",
    "as-uid": "uid-1",
    "as-groups": ["fleet", "system:authenticated"],
    "as-user-extra": {"scopes": ["view", "edit"], "example.com/Projekt 5%": ["a"]},
}
HEADERS = [
    ("Impersonate-User", "alice"),
    ("Impersonate-Uid", "uid-1"),
    ("Impersonate-Group", "fleet"),
    ("Impersonate-Group", "system:authenticated"),
    ("Impersonate-Extra-scopes", "view"),
    ("Impersonate-Extra-scopes", "edit"),
    ("Impersonate-Extra-example.com%2FProjekt%205%25", "a"),
]


def impersonating(lines: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in lines if name.lower().startswith("impersonate")]


@pytest.mark.parametrize("way", ["nothing", "token", "token file", "name", "certificate", "plugin"])
async def test_every_request_is_made_as_the_user_whatever_the_log_in(
    tmp_path: Path, way: str
) -> None:
    client, key = certificate(tmp_path, "client")
    (tmp_path / "file").write_text("of the file")
    user: dict[str, Any] = {
        "nothing": {},
        "token": {"token": TOKEN},
        "token file": {"tokenFile": "file"},
        "name": {"username": "admin", "password": "word"},
        "certificate": {"client-certificate": client.name, "client-key": key.name},
        "plugin": plugin(tmp_path, "credential(token=f'its-{run}')"),
    }[way]
    tls, authority = server_tls(tmp_path, clients=client if way == "certificate" else None)
    answers = in_turn(status(401), http(200, an_object()))
    async with serve(answers, tls) as peer:
        the_cluster = cluster(peer.url, certificate_authority=str(authority))
        file = kubeconfig(tmp_path / "config", the_cluster=the_cluster, user=user | ALICE)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            await api.patch(target(), merge(b"{}"), dry_run=False)
            await api.renew()
            await api.patch(target(), merge(b"{}"), dry_run=False)
            await api.get(target())

    assert [impersonating(request.header_lines) for request in peer.requests] == [HEADERS] * 3
    sent = [request.headers.get("authorization") for request in peer.requests]
    expected = {
        "token": f"Bearer {TOKEN}",
        "token file": "Bearer of the file",
        "name": "Basic YWRtaW46d29yZA==",
        "plugin": "Bearer its-1",
    }
    assert sent[0] == expected.get(way)
    assert sent[2] == ("Bearer its-2" if way == "plugin" else expected.get(way))


@pytest.mark.parametrize(
    ("further", "key"),
    [
        ({"as-groups": ["system:masters"]}, "as-groups"),
        ({"as-uid": "1"}, "as-uid"),
        ({"as-user-extra": {"scopes": ["view"]}}, "as-user-extra"),
        ({"as": "", "as-groups": ["x"]}, "as-groups"),
        ({"as": None, "as-uid": "1"}, "as-uid"),
    ],
)
async def test_groups_uid_and_extra_need_a_user(
    tmp_path: Path, further: dict[str, Any], key: str
) -> None:
    for user in ({"token": TOKEN}, plugin(tmp_path, "credential(token='its')")):
        file = kubeconfig(tmp_path / "config", user=user | further)
        with pytest.raises(KubeconfigError, match=f"`{key}` needs `as`"):
            await connect_to_context(environ={"KUBECONFIG": str(file)})


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"as": ""},
        {"as": None, "as-uid": None, "as-groups": None, "as-user-extra": None},
        {"as-uid": "", "as-groups": [], "as-user-extra": {}},
    ],
)
async def test_an_empty_user_means_no_impersonation(tmp_path: Path, user: dict[str, Any]) -> None:
    file = kubeconfig(tmp_path / "config", user={"token": TOKEN} | user)

    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})

    assert impersonating(connection.grant.headers.items()) == []


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"as": 5}, "`as` must be text"),
        ({"as": "a", "as-groups": "fleet"}, "`as-groups` must be a list"),
        ({"as": "a", "as-groups": [1]}, "`as-groups` must be a list"),
        ({"as": "a", "as-user-extra": ["x"]}, "`as-user-extra` must map names to lists"),
        ({"as": "a", "as-user-extra": {"x": "y"}}, "`as-user-extra` must map names to lists"),
        ({"as": "a\r\nX: y"}, "Impersonate-User contains a line end"),
        ({"as": "a", "as-groups": ["b", "c\n"]}, "Impersonate-Group contains a line end"),
        ({"as": "a", "as-user-extra": {"k": ["c\x00"]}}, "Impersonate-Extra-k contains a line end"),
    ],
)
async def test_a_value_that_no_header_can_contain_is_refused(
    tmp_path: Path, user: dict[str, Any], message: str
) -> None:
    file = kubeconfig(tmp_path / "config", user=user)

    with pytest.raises(KubeconfigError, match=message):
        await connect_to_context(environ={"KUBECONFIG": str(file)})


async def test_names_beyond_ascii_are_sent_as_utf_8(tmp_path: Path) -> None:
    async with serve(in_turn(http(200, an_object()))) as peer:
        user = {"as": "jürgen", "as-user-extra": {"größe": ["ü"]}}
        file = kubeconfig(tmp_path / "config", the_cluster=cluster(peer.url), user=user)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            await api.get(target())

    assert impersonating(peer.requests[0].header_lines) == [
        ("Impersonate-User", "jürgen"),
        ("Impersonate-Extra-gr%C3%B6%C3%9Fe", "ü"),
    ]
