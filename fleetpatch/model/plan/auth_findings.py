"""Findings within `auth`, which never quote its values, because they may be secrets.

A plan is read by many people and kept. So it must contain only the names of variables and files. A
secret in it is refused, with the place where it belongs. Even keys are quoted only if they resemble
a known key: in `auth: {token: {S3cret}}` the secret is a key.
"""

import re
from collections.abc import Collection
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from fleetpatch.model.plan.problems import Finding, TreePath

_SECRETS: Final = re.compile(
    r"pass|pwd|secret|token|bearer|key|cred|value|\A[as]k\Z", re.IGNORECASE
)
_LETTERS: Final = re.compile(r"[^a-z]")
_WORDS: Final = frozenset(
    {
        *("password", "passwd", "passphrase", "pass", "pwd", "secret", "token", "bearer", "value"),
        *("key", "apikey", "accesskey", "accesskeyid", "secretkey", "secretaccesskey", "ak", "sk"),
        *("credential", "credentials", "cred", "creds", "bearertoken", "accesstoken", "authtoken"),
    }
)
"""What people call a secret, in small letters alone."""
# `passwordEnv` and `tokenFile` are names of places for a secret.
_NAMES: Final = re.compile(r"(?:env|file)\Z", re.IGNORECASE)

_REMEDY: Final = (
    "secrets do not belong in a plan file; put it into an environment variable and name that in {},"
    " or into a file and name it in {}"
)
_REMEDIES: Final = MappingProxyType(
    {
        "token": _REMEDY.format("token.env", "token.file"),
        "iam": _REMEDY.format("passwordEnv", "passwordFile"),
        "aksk": (
            "secrets do not belong in a plan file; put both keys into environment variables and"
            " name those in accessKeyEnv and secretKeyEnv"
        ),
    }
)
_GENERAL_REMEDY: Final = (
    "secrets do not belong in a plan file; put them into environment variables or files and name"
    " those under token, iam or aksk"
)


def is_in_auth(path: TreePath) -> bool:
    """Report whether `path` is a cluster's `auth`, or within one."""
    return path[:1] == ("fleet",) and path[2:3] == ("auth",)


def names_secret(key: str) -> bool:
    """Report whether the value of `key` would be a secret, and not the name of a place for one."""
    return bool(_SECRETS.search(key)) and not _NAMES.search(key)


def secret_written(path: TreePath, *, of_key: bool = False) -> Finding:
    """Return the finding for a secret at `path`."""
    # path: fleet, position, auth, method, ...
    method = next((step for step in path[3:4] if isinstance(step, str)), "")
    return Finding(path, _REMEDIES.get(method, _GENERAL_REMEDY), of_key=of_key)


def unknown_key(path: TreePath, value: object, known: Collection[str]) -> Finding:
    """Return the finding for an unknown key, the last step of `path`, with its `value`."""
    key = str(path[-1])
    if names_secret(key) and isinstance(value, str | int | float):
        # Placed at the section if the key itself may be the secret.
        is_word = _LETTERS.sub("", key.lower()) in _WORDS
        return secret_written(path, of_key=True) if is_word else secret_written(path[:-1])
    close = get_close_matches(key, known, n=1)
    if close:
        return Finding(path, f"is not a key of a plan; did you mean {close[0]}?", of_key=True)
    # Placed at the section, since a finding of the key would quote it.
    return Finding(path[:-1], f"contains an unknown key; known here: {', '.join(sorted(known))}")
