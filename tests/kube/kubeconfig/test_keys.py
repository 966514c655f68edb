"""Unknown keys of a kubeconfig: an error where ignoring one would be dangerous, else a warning.

Left out: values of known keys (test_static_auth, test_exec_auth, test_impersonation).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.file import read_file
from fleetpatch.kube.kubeconfig.keys import check_entry
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig
from tests.kube.kubeconfig.loading import load
from tests.kube.peers import TOKEN

API_VERSION = "client.authentication.k8s.io/v1"


async def test_the_keys_of_client_go_cause_no_warning(tmp_path: Path) -> None:
    the_cluster = cluster(disable_compression=True, extensions=[{"name": "x", "extension": {}}])
    user = {"token": TOKEN, "extensions": []}
    file = kubeconfig(tmp_path / "config", the_cluster=the_cluster, user=user)
    content = json.loads(file.read_text())
    content["contexts"][0]["context"] |= {"namespace": "team-a", "extensions": []}
    file.write_text(json.dumps(content))

    assert (await load(file)).warnings == ()


@pytest.mark.parametrize(
    ("the_cluster", "user", "warning"),
    [
        ({"region": "eu"}, {}, "`region` in its cluster is not known, and is ignored"),
        ({}, {"id-token": "x"}, "`id-token` in its user is not known, and is ignored"),
        ({}, {"exec": {"apiVersion": API_VERSION, "command": "x", "timeout": 5}}, "`timeout` in"),
        ({"a\x1b[2Jb\nc": 1}, {}, "`ab c` in its cluster is not known"),
    ],
)
async def test_a_key_that_is_not_known_is_reported(
    tmp_path: Path, the_cluster: dict[str, Any], user: dict[str, Any], warning: str
) -> None:
    file = kubeconfig(
        tmp_path / "config", the_cluster=cluster() | the_cluster, user={"token": TOKEN} | user
    )

    [found] = (await load(file)).warnings

    assert f"context 'prod' in {file}: " in found
    assert warning in found


SECRET = "9f8e7d6c5b4a" * 8


@pytest.mark.parametrize(
    "key", [SECRET, f"token: {SECRET}", "x " * 25 + SECRET, SECRET + " x" * 40]
)
def test_no_part_of_a_secret_in_the_place_of_a_key_is_shown(key: str) -> None:
    [warning] = check_entry("users", {"name": "u", "user": {key: None}}, "context 'a'")

    assert "[redacted]" in warning
    assert SECRET[-6:] not in warning
    assert SECRET[:6] not in warning


def test_no_part_of_a_secret_that_is_a_repeated_key_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(f"apiVersion: v1\nkind: Config\n{SECRET}: 1\n{SECRET}: 2\n")

    [warning] = read_file(file).warnings

    assert SECRET[-6:] not in warning


@pytest.mark.parametrize(
    ("the_cluster", "user", "message"),
    [
        ({}, {"tokenfile": "x"}, "`tokenfile` in its user .* write `tokenFile`"),
        ({}, {"token-file": "x"}, "`token-file` in its user .* write `tokenFile`"),
        ({}, {"client_certificate": "x"}, "write `client-certificate`"),
        ({}, {"client-certficate-data": "x"}, "write `client-certificate-data`"),
        ({}, {"as-group": ["x"]}, "write `as-groups`"),
        ({}, {"as-team": "x"}, "`as-team` in its user is not a key of a kubeconfig; remove it"),
        ({}, {"impersonate": "x"}, "`impersonate` in its user .* remove it"),
        ({}, {"exec": {"command": "x", "Env": []}}, "`Env` in `exec` of its user .* write `env`"),
        ({"insecureSkipTlsVerify": True}, {}, "write `insecure-skip-tls-verify`"),
        ({"certificate-authority_data": "x"}, {}, "write `certificate-authority-data`"),
        ({"tls-servername": "x"}, {}, "write `tls-server-name`"),
    ],
)
async def test_a_key_that_was_meant_for_identity_or_verification_is_an_error(
    tmp_path: Path, the_cluster: dict[str, Any], user: dict[str, Any], message: str
) -> None:
    file = kubeconfig(
        tmp_path / "config", the_cluster=cluster() | the_cluster, user={"token": TOKEN} | user
    )

    with pytest.raises(KubeconfigError, match=message):
        await load(file)


async def test_a_key_beside_its_body_is_an_error(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text())
    for section, key in (("users", "as"), ("clusters", "certificate-authority-data")):
        changed = json.loads(json.dumps(content))
        changed[section][0][key] = "x"
        file.write_text(json.dumps(changed))

        with pytest.raises(KubeconfigError, match=f"`{key}` is in the entry of its .*; indent it"):
            await load(file)


USERS = {
    "as": "alice",
    "as-groups": ["x"],
    "token": "x",
    "tokenfile": "x",
    "client-key-data": "x",
    "exec": {"command": "x"},
}
CLUSTERS = {"proxy-url": "http://p", "insecure-skip-tls-verify": True, "server": "https://h"}


@pytest.mark.parametrize(
    ("section", "key", "value", "place"),
    [
        *[("contexts", key, value, "user") for key, value in USERS.items()],
        *[("clusters", key, value, "user") for key, value in USERS.items()],
        *[("contexts", key, value, "cluster") for key, value in CLUSTERS.items()],
        *[("users", key, value, "cluster") for key, value in CLUSTERS.items()],
        ("clusters", "user", "admin", "context"),
        ("users", "args", ["--profile", "prod"], "`exec`"),
        ("users", "env", [], "`exec`"),
    ],
)
async def test_a_key_of_identity_or_verification_in_another_part_is_an_error(
    tmp_path: Path, section: str, key: str, value: Any, place: str
) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text())
    content[section][0][section.removesuffix("s")][key] = value
    file.write_text(json.dumps(content))

    with pytest.raises(KubeconfigError, match=f"`{key}` in its .* move it to its {place}"):
        await load(file)


@pytest.mark.parametrize(
    ("section", "key"), [("contexts", "as"), ("clusters", "token"), ("users", "proxy-url")]
)
async def test_a_key_of_another_part_beside_the_body_is_an_error(
    tmp_path: Path, section: str, key: str
) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text())
    content[section][0][key] = "x"
    file.write_text(json.dumps(content))

    with pytest.raises(KubeconfigError, match=f"`{key}` in the entry of its .* move it to its"):
        await load(file)


async def test_a_key_of_the_user_within_its_plugin_is_an_error(tmp_path: Path) -> None:
    plugin = {"apiVersion": API_VERSION, "command": "x", "as": "alice"}
    file = kubeconfig(tmp_path / "config", user={"token": TOKEN, "exec": plugin})

    with pytest.raises(KubeconfigError, match=r"`as` in `exec` of its user .* move it to its user"):
        await load(file)


async def test_entries_of_other_contexts_are_not_checked(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    content = json.loads(file.read_text())
    content["users"].append({"name": "other", "user": {"tokenfile": "x", "token": 5}})
    file.write_text(json.dumps(content))

    assert (await load(file)).warnings == ()


async def test_a_secret_in_the_place_of_a_key_is_masked(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", user={TOKEN: None, "token": TOKEN})

    [warning] = (await load(file)).warnings

    assert TOKEN not in warning
