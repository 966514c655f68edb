"""The command lines of etcd and kube-apiserver, and the files that they read."""

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
_SERVICE_ACCOUNT_KEY = "service-account.key"
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
        # The address that is bound becomes a name in the self-signed certificate.
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--cert-dir={certificates(directory)}",
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


def certificates(directory: Path) -> Path:
    """Return the directory in which the API server keeps its certificate and key."""
    return directory / "certificates"


def write_files(directory: Path, tokens: Mapping[str, str]) -> None:
    """Write what `apiserver_command` refers to; `tokens` is by name of the user."""
    files = {
        _SERVICE_ACCOUNT_KEY: _ec_private_key(),
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


def _ec_private_key() -> str:
    """Return a new P-256 key as PEM (RFC 5915).

    By hand, as the standard library makes no keys: the optional public key is left out, which the
    server computes, so that what remains is a random number between constant bytes.
    """
    der = (
        bytes.fromhex("3031 020101 0420")
        + secrets.token_bytes(32)
        + bytes.fromhex("a00a 0608 2a8648ce3d030107")
    )
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n"
