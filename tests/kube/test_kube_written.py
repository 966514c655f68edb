"""Credentials that stand in a kubeconfig: which one counts, and that nothing heavy is imported.

Left out: the kubeconfig as a whole and its mistakes (test_kube_kubeconfig), TLS (test_kube_tls).
"""

import base64
import subprocess
import sys
from pathlib import Path

from fleetpatch.kube import written
from fleetpatch.kube.contexts import Context, Entry


def context(cluster: Entry, user: Entry) -> Context:
    return Context("it", "it", {"server": "https://host:6443"} | cluster, user, "context 'it'")


def test_a_token_counts_before_a_name_and_password(tmp_path: Path) -> None:
    user = {"token": "tok", "username": "alice", "password": "word"}

    assert written.read(context({}, user), tmp_path).authorization == "Bearer tok"


def test_a_name_without_a_password_is_nothing(tmp_path: Path) -> None:
    assert written.read(context({}, {"username": "alice"}), tmp_path).authorization is None


def test_data_counts_before_a_file_and_becomes_one(tmp_path: Path) -> None:
    cluster = {
        "certificate-authority": "/no/such/file",
        "certificate-authority-data": base64.b64encode(b"an authority").decode(),
    }

    settings = written.read(context(cluster, {}), tmp_path)

    assert settings.ssl_ca_cert is not None
    assert Path(settings.ssl_ca_cert).read_bytes() == b"an authority"
    assert Path(settings.ssl_ca_cert).parent == tmp_path
    assert Path(settings.ssl_ca_cert).stat().st_mode & 0o077 == 0


def test_plain_http_needs_no_certificates(tmp_path: Path) -> None:
    cluster = {"server": "http://host:8080", "certificate-authority": "/no/such/file"}

    assert written.read(context(cluster, {}), tmp_path).ssl_ca_cert is None


def test_applying_does_not_import_kubernetes_asyncio() -> None:
    program = "import sys, fleetpatch.cli.apply; sys.exit('kubernetes_asyncio' in sys.modules)"

    subprocess.run([sys.executable, "-c", program], check=True)
