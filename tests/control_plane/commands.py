"""The command lines of etcd and kube-apiserver, and the files that they read."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.certificates import Authority, new_key, pem

LOOPBACK = "127.0.0.1"
_SERVICE_ACCOUNT_KEY = "service-account.key"
_CERTIFICATES = "certificates"
_TOKENS = "tokens.csv"
_AUDIT_POLICY = "audit-policy.json"
_GROUPS = {"admin": "system:masters"}


def etcd_command(binaries: Path, directory: Path, port: int, peer_port: int) -> list[str]:
    url = f"http://{LOOPBACK}:{port}"
    peer_url = f"http://{LOOPBACK}:{peer_port}"
    return [
        str(binaries / "etcd"),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
    ]


def apiserver_command(
    binaries: Path, directory: Path, port: int, etcd_port: int, audit_log: Path | None
) -> list[str]:
    key = directory / _SERVICE_ACCOUNT_KEY
    command = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        # It uses `apiserver.crt` and `apiserver.key` if they are there.
        f"--cert-dir={directory / _CERTIFICATES}",
        # Without these two the server looks for an address other than loopback to publish in the
        # endpoints of its own Service, and does not start on a machine that has none.
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        f"--token-auth-file={directory / _TOKENS}",
        "--authorization-mode=RBAC",
        # It waits for the service accounts that a controller would make, and none runs here.
        "--disable-admission-plugins=ServiceAccount",
    ]
    if audit_log is not None:
        policy = directory / _AUDIT_POLICY
        command += [f"--audit-log-path={audit_log}", f"--audit-policy-file={policy}"]
    return command


def ca_file(directory: Path) -> Path:
    """Return the certificate of the authority that the server's certificate is signed by."""
    return directory / _CERTIFICATES / "ca.crt"


def write_files(directory: Path, tokens: Mapping[str, str]) -> None:
    """Write what `apiserver_command` refers to; `tokens` is by name of the user."""
    Authority(directory, _CERTIFICATES).issue("apiserver")
    files = {
        _SERVICE_ACCOUNT_KEY: pem(new_key()).decode(),
        _TOKENS: "".join(
            f'{token},{user},{user},"{_GROUPS.get(user, "")}"\n' for user, token in tokens.items()
        ),
        _AUDIT_POLICY: json.dumps(
            {
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [
                    {"level": "Metadata", "verbs": ["patch"]},
                    {
                        "level": "Metadata",
                        "resources": [{"group": "", "resources": ["namespaces"]}],
                    },
                    {"level": "None"},
                ],
            }
        ),
    }
    for name, text in files.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text)
