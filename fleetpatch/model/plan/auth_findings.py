"""Mistakes within `auth`, told without a word of what stands there: it may be a secret.

A plan is read by many, and kept; hence it holds the names of variables and files, and whoever
writes a secret into it is told where to put it instead. Keys are quoted only where they are nearly
known ones: `auth: {token: {S3cret}}` is a key, too.
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
_NAMES: Final = re.compile(r"(?:env|file)\Z", re.IGNORECASE)

_WAY_OUT: Final = (
    "secrets do not belong in a plan file; put it into an environment variable and name that in {},"
    " or into a file and name it in {}"
)
_INSTEAD: Final = MappingProxyType(
    {
        "token": _WAY_OUT.format("token.env", "token.file"),
        "iam": _WAY_OUT.format("passwordEnv", "passwordFile"),
        "aksk": (
            "secrets do not belong in a plan file; put both keys into environment variables and"
            " name those in accessKeyEnv and secretKeyEnv"
        ),
    }
)
_ANYWHERE: Final = (
    "secrets do not belong in a plan file; put them into environment variables or files and name"
    " those under token, iam or aksk"
)


def is_in_auth(path: TreePath) -> bool:
    """Say whether `path` is a cluster's `auth`, or leads into one."""
    return path[:1] == ("fleet",) and path[2:3] == ("auth",)


def names_secret(key: str) -> bool:
    """Say whether a secret would stand behind `key`, rather than the name of a place for one."""
    return bool(_SECRETS.search(key)) and not _NAMES.search(key)


def secret_written(path: TreePath, *, of_key: bool = False) -> Finding:
    """Refuse a secret at `path`."""
    way = next((step for step in path[3:4] if isinstance(step, str)), "")
    return Finding(path, _INSTEAD.get(way, _ANYWHERE), of_key=of_key)


def unknown_key(path: TreePath, value: object, known: Collection[str]) -> Finding:
    """Refuse the key that `path` ends with, and behind which `value` stands."""
    key = str(path[-1])
    if names_secret(key) and isinstance(value, str | int | float):
        return secret_written(path, of_key=True)
    close = get_close_matches(key, known, n=1)
    if close:
        return Finding(path, f"is no key of a plan; did you mean {close[0]}?", of_key=True)
    return Finding(path[:-1], f"holds a key that is none; known here: {', '.join(sorted(known))}")
