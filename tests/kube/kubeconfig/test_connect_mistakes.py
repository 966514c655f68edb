"""Mistakes in kubeconfig files: one line each, and never a secret.

Covered: files that are missing or not YAML, clusters and users that are not valid. Left out: in
detail the text of a kubeconfig (test_file) and its keys (test_keys).
"""

from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import CredentialsError, KubeconfigError
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig
from tests.kube.kubeconfig.loading import load
from tests.kube.peers import TOKEN

pytestmark = pytest.mark.usefixtures("no_surroundings")


async def test_a_kubeconfig_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"no such file: .*/missing"):
        await load(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"users: [{{token: {TOKEN}", r"config:1:\d+: is not YAML"),
        (f"\ttoken: {TOKEN}", "is not YAML"),
        ("- a", "top level must be a mapping"),
        ("", "config: no contexts; add one, or name another file"),
        ("contexts: {a: b}", "`contexts` must be a list"),
        ("contexts: [{context: {}}]", "`contexts` must be a list of named entries"),
        ("contexts: [{name: a}, {name: b}]", "no current-context; choose one of these: a, b"),
        ("current-context: c\ncontexts: [{name: a}]", "no context 'c'; there are: a"),
        ("current-context: a\ncontexts: [{name: a}]", "has no cluster"),
        ("current-context: a\ncontexts: [{name: a, context: x}]", "'a' of `contexts` has no body"),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x}}], clusters: []}",
            "context 'a' .*: no 'x' among the clusters; there are: none",
        ),
    ],
)
async def test_a_broken_kubeconfig_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)

    with pytest.raises(KubeconfigError, match=message) as caught:
        await load(file)

    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


async def test_a_kubeconfig_that_is_not_text_or_not_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(KubeconfigError, match="binary: is not YAML"):
        await load(tmp_path / "binary")
    with pytest.raises(KubeconfigError, match="cannot be read: Is a directory"):
        await load(tmp_path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"server": None}, "has no `server`"),
        ({"server": "host:6443"}, "must begin with https:// or http://; write a URL"),
        ({"server": "https://[::1"}, "has a host or a port that is not valid"),
        ({"server": "https://h:99999"}, "has a host or a port that is not valid"),
        ({"server": "https://h:abc"}, "has a host or a port that is not valid"),
        ({"server": "https://.:1"}, "has a host that is not a valid name"),
        ({"server": f"https://{'a' * 70}"}, "has a host that is not a valid name"),
        ({"server": "https://a..b"}, "has a host that is not a valid name"),
        ({"server": "https://a b"}, "contains a blank"),
        ({"server": "https://h?a=b"}, "without a [?] or #"),
        ({"proxy-url": "http://[::1"}, "`proxy-url` is not a valid proxy"),
        *[
            ({"tls-server-name": name}, "`tls-server-name` is not a valid host name")
            for name in (".", "..", "a..", "\u3002", "\u00ad", "a\0b", ".a", "a b", "fe80::1%lo")
        ],
        ({"server": "ftp://host"}, "must begin with https://"),
        ({"server": f"https://u:{TOKEN}@host"}, "must not contain credentials"),
        ({"server": 6443}, "`server` must be text"),
        ({"insecure-skip-tls-verify": "false"}, "`insecure-skip-tls-verify` must be true or false"),
        ({"certificate-authority": "missing.crt"}, "File does not exist"),
        ({"certificate-authority-data": "bm8gY2VydGlmaWNhdGU="}, "certificate-authority cannot"),
        ({"certificate-authority-data": "x"}, "`certificate-authority-data` is not base64"),
    ],
)
async def test_a_cluster_that_is_not_valid_says_why(
    tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    file = kubeconfig(tmp_path / "config", the_cluster=cluster() | more)

    with pytest.raises(KubeconfigError, match=message) as caught:
        await load(file)

    assert "context 'prod'" in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "kind", "message"),
    [
        ({"client-certificate-data": "eA=="}, KubeconfigError, "client certificate and key cannot"),
        ({"client-certificate": "x.crt"}, KubeconfigError, "File does not exist"),
        ({"tokenFile": "missing"}, CredentialsError, "missing: cannot read the token .No such"),
        ({"tokenFile": "empty"}, CredentialsError, "empty: has no token"),
        ({"tokenFile": "binary"}, CredentialsError, "binary: cannot read the token .it is not"),
        ({"token": f"{TOKEN}\nX: y"}, CredentialsError, "token contains a line end"),
        ({"auth-provider": {"name": "oidc"}}, KubeconfigError, "use the exec plugin kubectl oidc"),
        ({"exec": {}}, KubeconfigError, "exec"),
        ({"token": 1234}, KubeconfigError, "`token` must be text; put it in quotes"),
    ],
)
async def test_a_user_that_is_not_valid_says_why(
    tmp_path: Path, user: dict[str, Any], kind: type[Exception], message: str
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff")

    with pytest.raises(kind, match=message) as caught:
        await load(kubeconfig(tmp_path / "config", user=user))

    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)
