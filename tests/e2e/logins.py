"""The ways to log in to a sandbox that serves as CCI, as a plan file has them."""

from pathlib import Path
from typing import Any

from tests.e2e.sandboxes import SandboxServer

WAYS = ("token env", "token file", "iam", "iam file", "aksk")
ACCESS_KEY = ("CCI_ACCESS_KEY", "CCI_SECRET_KEY")


def auth(server: SandboxServer, way: str, folder: Path) -> dict[str, Any]:
    """Return the `auth` of a plan; its files are written to `folder`."""
    known = server.credentials
    user = {
        "endpoint": server.server,
        "domain": known["CCI_DOMAIN"],
        "user": known["CCI_USER"],
        "project": known["CCI_PROJECT"],
    }
    match way:
        case "token env":
            return {"token": {"env": "CCI_TOKEN"}}
        case "token file":
            return {"token": {"file": _written(folder / "token", known["CCI_TOKEN"])}}
        case "iam":
            return {"iam": {**user, "passwordEnv": "CCI_PASSWORD"}}
        case "iam file":
            return {"iam": {**user, "passwordFile": _written(folder / "pw", known["CCI_PASSWORD"])}}
        case _:
            keys = dict(zip(("accessKeyEnv", "secretKeyEnv"), ACCESS_KEY, strict=True))
            return {"aksk": {**keys, "project": known["CCI_PROJECT"]}}


def cluster(server: SandboxServer, way: str, folder: Path, **more: Any) -> dict[str, Any]:
    """Return the entry of a plan's fleet for this server."""
    credentials = auth(server, way, folder)
    return {"name": "cci", "provider": "cci", "server": server.server, "auth": credentials, **more}


def _written(file: Path, secret: str) -> str:
    file.write_text(f"{secret}\n")
    return str(file)
