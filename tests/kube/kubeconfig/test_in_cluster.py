"""Connections from a pod, by its service account.

Covered: its server and its token, which is read again; what is missing where it is not one.
Left out: kubeconfig files (test_connect).
"""

import ssl
from pathlib import Path

import pytest

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from tests.kube.kubeconfig.kubeconfigs import certificate

pytestmark = pytest.mark.usefixtures("no_surroundings")


def service_account(folder: Path, token: str) -> None:
    """Write the files of a service account, as a pod has them."""
    made, _key = certificate(folder)
    made.rename(folder / "ca.crt")
    (folder / "token").write_text(token)


async def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    service_account(tmp_path, "of-the-pod\n")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    connection = await connect_to_context(environ=environ, service_account=tmp_path)

    assert connection.server == "https://10.0.0.1:443"
    assert connection.context == "in-cluster"
    assert connection.grant.headers["Authorization"] == "Bearer of-the-pod"
    assert connection.grant.fresh_for == 60
    with pytest.raises(KubeconfigError, match="context 'prod'"):
        await connect_to_context("prod", environ=environ, service_account=tmp_path)


async def test_the_token_of_a_pod_is_read_again_and_its_server_may_be_an_ipv6_address(
    tmp_path: Path,
) -> None:
    service_account(tmp_path, "one")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}

    connection = await connect_to_context(environ=environ, service_account=tmp_path)

    assert connection.server == "https://[fd00::1]:6443"
    (tmp_path / "token").write_text("two")
    assert connection.renewal is not None
    grant = await connection.renewal()
    assert grant.headers["Authorization"] == "Bearer two"
    assert grant.tls is connection.grant.tls
    assert grant.tls is not None
    assert grant.tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("missing", ["HOST", "PORT", "token", "ca.crt"])
async def test_half_a_pod_is_not_a_pod(tmp_path: Path, missing: str) -> None:
    service_account(tmp_path, "one")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    environ.pop(f"KUBERNETES_SERVICE_{missing}", None)
    (tmp_path / missing).unlink(missing_ok=True)

    with pytest.raises(
        KubeconfigError, match="no kubeconfig, and no pod's service account"
    ) as said:
        await connect_to_context(environ=environ, service_account=tmp_path)
    assert missing in str(said.value)


async def test_no_kubeconfig_outside_of_a_pod_is_an_error() -> None:
    with pytest.raises(KubeconfigError, match=r"set KUBECONFIG or write ~/\.kube/config"):
        await connect_to_context(environ={})
