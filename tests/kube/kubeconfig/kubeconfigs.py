"""Kubeconfigs, certificates and credential plugins for tests."""

import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.kube.peers import TOKEN


def cluster(server: str = "https://host:6443", **more: Any) -> dict[str, Any]:
    return {"server": server} | {key.replace("_", "-"): value for key, value in more.items()}


def kubeconfig(
    file: Path,
    *,
    name: str = "prod",
    the_cluster: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    current: str | None = None,
) -> Path:
    """Write a kubeconfig with one context, cluster and user of one name; JSON is YAML."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name if current is None else current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster() if the_cluster is None else the_cluster}],
        "users": [{"name": name, "user": {"token": TOKEN} if user is None else user}],
    }
    file.write_text(json.dumps(document))
    return file


def plugin(folder: Path, answers: str, name: str = "plugin") -> dict[str, Any]:
    """Make an exec plugin that runs the Python statements `answers`; returns its user entry.

    `answers` may call `credential(**status)`, which prints an ExecCredential of the version asked
    for, and read `run`, the number of this run, from 1, and `asked`, what it was asked for.
    """
    script = folder / name
    script.write_text(
        f"""#!{sys.executable}
import json, os, pathlib, sys
runs = pathlib.Path(__file__ + ".runs")
run = int(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text(str(run))
asked = json.loads(os.environ.get("KUBERNETES_EXEC_INFO", "{{}}"))
def credential(**status):
    print(json.dumps({{"apiVersion": asked["apiVersion"],
                       "kind": "ExecCredential", "status": status}}))
{answers}
"""
    )
    script.chmod(0o755)
    api_version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api_version, "command": str(script), "args": None}}


def runs(folder: Path, name: str = "plugin") -> int:
    """Return how often a plugin was run."""
    counted = folder / f"{name}.runs"
    return int(counted.read_text()) if counted.exists() else 0


def certificate(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1 and other.example; returns it and its key."""
    made, key = folder / f"{name}.crt", folder / f"{name}.key"
    names = "subjectAltName=IP:127.0.0.1,DNS:other.example"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    where = ["-keyout", str(key), "-out", str(made), "-days", "2"]
    command = ["openssl", "req", "-x509", *curve, *where, "-subj", f"/CN={name}", "-addext", names]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


def chain(folder: Path, names: str = "subjectAltName=IP:127.0.0.1") -> dict[str, Path]:
    """Make certificates of a root, of an intermediate authority, and of a server, in that order.

    `key` is the server's key; `names` is the extension that names the server.
    """
    authority = "basicConstraints=critical,CA:TRUE"
    made: dict[str, Path] = {}
    issuer: str | None = None
    for name, extension in (("root", authority), ("intermediate", authority), ("server", names)):
        made[name], made["key"] = folder / f"{name}.pem", folder / f"{name}.key"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", str(made["key"]), "-out", str(made[name])]
        signed = ["-CA", f"{folder}/{issuer}.pem", "-CAkey", f"{folder}/{issuer}.key"]
        about = ["-days", "2", "-subj", f"/CN={name}", "-addext", extension]
        command = ["openssl", "req", "-x509", *curve, *files, *about, *(signed if issuer else [])]
        subprocess.run(command, check=True, capture_output=True)
        issuer = name
    return made


def server_tls(folder: Path, *, clients: Path | None = None) -> tuple[ssl.SSLContext, Path]:
    """Make a server's TLS context and its authority's file; clients need one of `clients`."""
    made, key = certificate(folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made, key)
    if clients is not None:
        tls.load_verify_locations(clients)
        tls.verify_mode = ssl.CERT_REQUIRED
    return tls, made
