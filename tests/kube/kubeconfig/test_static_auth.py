"""Credentials that a kubeconfig contains: which one counts, by client-go's rules.

Covered: tokens and token files, names and passwords, certificates, contradictions, and that all of
them take precedence over an exec plugin. Left out: TLS handshakes (test_tls), impersonation.
"""

import base64
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from tests.kube.kubeconfig.kubeconfigs import certificate, cluster, kubeconfig, plugin, runs


async def load(
    folder: Path, user: dict[str, Any], the_cluster: dict[str, Any] | None = None
) -> Connection:
    file = kubeconfig(folder / "config", the_cluster=the_cluster, user=user)
    return await connect_to_context(environ={"KUBECONFIG": str(file)})


def files_in(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({"username": "u", "password": "p"}, basic("u:p")),
        ({"username": "u"}, basic("u:")),
        ({"username": "u", "password": None}, basic("u:")),
        ({"username": "u", "password": ""}, basic("u:")),
        ({"username": "ü", "password": "p:w"}, basic("ü:p:w")),
        ({"username": None, "password": None}, None),
        ({"username": "", "password": ""}, None),
        ({"username": "", "password": "p"}, None),
        ({"password": "p"}, None),
        ({"token": "", "username": "u"}, basic("u:")),
        ({"token": None, "tokenFile": None}, None),
        ({"token": "t", "username": "", "password": None}, "Bearer t"),
        ({}, None),
    ],
)
async def test_a_name_counts_and_empty_or_null_values_are_absent(
    tmp_path: Path, user: dict[str, Any], authorization: str | None
) -> None:
    connection = await load(tmp_path, user)

    assert connection.grant.headers.get("Authorization") == authorization


@pytest.mark.parametrize("name", [{"username": "u"}, {"username": "u", "password": "p"}])
async def test_a_token_and_a_name_are_a_contradiction(tmp_path: Path, name: dict[str, str]) -> None:
    for token in ({"token": "t"}, {"tokenFile": "file"}):
        with pytest.raises(KubeconfigError, match="a token and a username or password; remove one"):
            await load(tmp_path, {**token, **name})


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff", b"a\x01b"])
async def test_the_token_counts_where_the_token_file_cannot_be_read(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)

    connection = await load(tmp_path, {"token": "own", "tokenFile": "file"})

    assert connection.grant.headers["Authorization"] == "Bearer own"
    (tmp_path / "file").write_text("newer\n")
    assert connection.renewal is not None
    assert (await connection.renewal()).headers["Authorization"] == "Bearer newer"
    (tmp_path / "file").unlink()
    assert (await connection.renewal()).headers["Authorization"] == "Bearer newer"


async def test_a_token_file_alone_has_to_be_readable(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="cannot read the token"):
        await load(tmp_path, {"tokenFile": "file"})


@pytest.mark.parametrize("key", ["certificate-authority", "certificate-authority-data"])
async def test_an_authority_and_no_verification_are_a_contradiction(
    tmp_path: Path, key: str
) -> None:
    made, _key = certificate(tmp_path)
    data = base64.b64encode(made.read_bytes()).decode()
    value = made.name if key == "certificate-authority" else data
    insecure = {"insecure-skip-tls-verify": True}

    with pytest.raises(KubeconfigError, match="`certificate-authority` and `insecure-skip-tls"):
        await load(tmp_path, {}, cluster() | insecure | {key: value})

    assert (await load(tmp_path, {}, cluster() | insecure | {key: ""})).insecure
    assert not (await load(tmp_path, {}, cluster() | {key: value})).insecure


async def test_an_exec_plugin_does_not_switch_an_authority_off(tmp_path: Path) -> None:
    made, _key = certificate(tmp_path)
    the_cluster = cluster(insecure_skip_tls_verify=True, certificate_authority=made.name)

    with pytest.raises(KubeconfigError, match="remove one of them"):
        await load(tmp_path, plugin(tmp_path, "credential(token='t')"), the_cluster)
    assert runs(tmp_path) == 0


async def test_a_scheme_in_capitals_keeps_the_authority(tmp_path: Path) -> None:
    made, _key = certificate(tmp_path)
    for scheme in ("HTTPS", "Https"):
        the_cluster = cluster(f"{scheme}://host:6443", certificate_authority=made.name)

        connection = await load(tmp_path, {}, the_cluster)

        assert connection.server == "https://host:6443"
        assert connection.grant.tls is not None
        assert len(connection.grant.tls.get_ca_certs()) == 1


async def test_data_takes_precedence_over_a_file_and_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _key = certificate(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    the_cluster = cluster(
        certificate_authority="/no/such/file",
        certificate_authority_data=base64.encodebytes(made.read_bytes()).decode(),
    )
    before = {*files_in(tmp_path), tmp_path / "config"}

    connection = await load(tmp_path, {}, the_cluster)

    assert connection.grant.tls is not None
    assert files_in(tmp_path) == before


async def test_plain_http_needs_no_certificates(tmp_path: Path) -> None:
    the_cluster = cluster("http://127.0.0.1:1", certificate_authority="/no/such/file")
    user = {"client-certificate": "/no/such/file"}

    assert (await load(tmp_path, user, the_cluster)).grant.tls is None


async def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)

    with pytest.raises(KubeconfigError, match="there is no `client-key`"):
        await load(tmp_path, {"client-certificate": made.name})
    assert (await load(tmp_path, {"token": "t", "client-key": key.name})).grant.tls is not None


async def test_a_folder_for_temporary_files_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _key = certificate(tmp_path)
    data = base64.b64encode(made.read_bytes()).decode()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    with pytest.raises(KubeconfigError, match=r"no temporary file .*; set TMPDIR"):
        await load(tmp_path, {}, cluster(certificate_authority_data=data))
    assert (await load(tmp_path, {}, cluster(certificate_authority=made.name))).grant.tls


@pytest.mark.parametrize("way", ["token", "token file", "name", "certificate"])
async def test_credentials_in_the_kubeconfig_take_precedence_over_the_exec_plugin(
    tmp_path: Path, way: str
) -> None:
    made, key = certificate(tmp_path)
    (tmp_path / "file").write_text("of the file")
    ways: dict[str, tuple[dict[str, Any], str | None]] = {
        "token": ({"token": "own"}, "Bearer own"),
        "token file": ({"tokenFile": "file"}, "Bearer of the file"),
        "name": ({"username": "u"}, basic("u:")),
        "certificate": ({"client-certificate": made.name, "client-key": key.name}, None),
    }
    user, authorization = ways[way]

    connection = await load(tmp_path, plugin(tmp_path, "credential(token='its')") | user)

    assert connection.grant.headers.get("Authorization") == authorization
    assert runs(tmp_path) == 0


@pytest.mark.parametrize("user", [{"token": ""}, {"username": "", "password": "p"}, {"as": "x"}])
async def test_a_plugin_runs_where_the_other_keys_are_not_credentials(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    connection = await load(tmp_path, plugin(tmp_path, "credential(token='its')") | user)

    assert connection.grant.headers["Authorization"] == "Bearer its"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("gcp", "gke-gcloud-auth-plugin"),
        ("azure", "the exec plugin kubelogin"),
        ("oidc", "kubectl oidc-login"),
        ("openstack", "use an exec plugin instead"),
        (None, "use an exec plugin instead"),
    ],
)
async def test_an_auth_provider_is_refused_and_its_replacement_is_named(
    tmp_path: Path, name: str | None, advice: str
) -> None:
    provider = {"auth-provider": {"name": name, "config": {"access-token": "s3cr3t"}}}

    for user in (provider, provider | {"token": "t"}):
        with pytest.raises(KubeconfigError, match=r"removed in Kubernetes 1\.26") as caught:
            await load(tmp_path, user)
        assert advice in str(caught.value)
        assert "s3cr3t" not in str(caught.value)
