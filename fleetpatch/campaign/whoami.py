"""Names the person or the account that calls us, for run file and log.

Under cron, systemd and in pods the variables that a login shell sets may be missing, and a pod's
user often has no account. Then the service account of the pod is the name under which the API
server knows us.
"""

import base64
import binascii
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from fleetpatch.kube.kubeconfig.in_cluster import SERVICE_ACCOUNT
from fleetpatch.model.text import clean

# sudo replaces USER, but the run file should name the person. cron sets LOGNAME.
_VARIABLES: Final = ("SUDO_USER", "USER", "LOGNAME")
_TOKEN_PARTS: Final = 3


class _Claims(msgspec.Struct):
    sub: str = ""


def whoami(environ: Mapping[str, str] = os.environ, account: Path = SERVICE_ACCOUNT) -> str:
    """Return `user@host`, by the first name that can be had, else the number of the user."""
    named = (name for key in _VARIABLES if (name := environ.get(key)))
    user = next(named, "") or _service_account(account) or _account_name() or str(os.getuid())
    return clean(f"{user}@{os.uname().nodename}")


def _account_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _service_account(account: Path) -> str:
    """Return the subject of the pod's token, `system:serviceaccount:NAMESPACE:NAME`, or ''.

    The claims of a token are not secret; its signature, which is not read, makes it a credential.
    """
    try:
        parts = (account / "token").read_text("ascii").strip().split(".")
        if len(parts) != _TOKEN_PARTS:
            return ""
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(claims, type=_Claims).sub
    except (OSError, UnicodeError, binascii.Error, msgspec.MsgspecError):
        return ""
