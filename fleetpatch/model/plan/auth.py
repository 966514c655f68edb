"""The plan's `auth`: how to sign in to a provider, with names of variables and files.

A plan never contains a secret itself. Relative paths are relative to the working directory, as for
the `--token-file` of other tools.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from fleetpatch.model.plan import auth_findings
from fleetpatch.model.plan.field_types import problem_of_empty
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.section import Section, keys_of
from fleetpatch.model.plan.value_types import Text

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _problem_of_variable(text: str) -> str | None:
    if _VARIABLE.fullmatch(text):
        return None
    # Without the text, which may be a secret.
    return "must be the name of an environment variable: letters, digits and _, as in CCI_TOKEN"


VariableName: TypeAlias = Annotated[
    str,
    Text(_problem_of_variable, is_quoted=False, keywords={"pattern": f"^{_VARIABLE.pattern}$"}),
]
"""The name of an environment variable."""

PlainText: TypeAlias = Annotated[
    str, Text(problem_of_empty, is_quoted=False, keywords={"minLength": 1})
]

MAX_SIGNED_BODY_BYTES: Final = 12 * 1024 * 1024
"""Bytes; the gateway refuses to check the signature of a request with a larger body."""


class AuthSection(Section, frozen=True, kw_only=True):
    """A section whose values are never quoted, because people write secrets into it."""

    @classmethod
    def wrong_type(cls, path: TreePath, value: Any) -> Finding:
        """Return the finding for a value that is not a mapping; it may be the secret itself."""
        if isinstance(value, str | int | float):
            return auth_findings.secret_written(path)
        return super().wrong_type(path, value)

    @classmethod
    def unknown_key(cls, path: TreePath, value: Any) -> Finding:
        """Return the finding for an unknown key, which may be a secret as well."""
        return auth_findings.unknown_key(path, value, keys_of(cls))

    @classmethod
    def is_missing(cls, key: str, section: Mapping[str, Any]) -> bool:
        """Report whether a key is missing; it is not where the secret itself was written."""
        return key not in section and not any(map(auth_findings.names_secret, section))


class TokenAuth(AuthSection, frozen=True, kw_only=True):
    """A token from an environment variable, or from a file that is read again before it expires."""

    env: VariableName | None = None
    """The environment variable that holds the token."""
    file: PlainText | None = None
    """The file that holds the token."""


class IamAuth(AuthSection, frozen=True, kw_only=True):
    """An IAM user, for which fleetpatch fetches tokens."""

    endpoint: PlainText
    """IAM's URL, such as https://iam.cn-north-4.myhuaweicloud.com."""
    domain: PlainText
    """The account's name."""
    user: PlainText
    """The user's name."""
    password_env: VariableName | None = None
    """The environment variable that holds the password."""
    password_file: PlainText | None = None
    """The file that holds the password."""
    project: PlainText
    """The name of the project that the token is for: cn-north-4."""


class AkSkAuth(AuthSection, frozen=True, kw_only=True):
    """An access key, with which every request is signed (needs fleetpatch[huaweicloud])."""

    access_key_env: VariableName
    """The environment variable that holds the access key's id (AK)."""
    secret_key_env: VariableName
    """The environment variable that holds the secret key (SK)."""
    project: PlainText
    """The id of the project that requests are for."""


class Auth(AuthSection, frozen=True, kw_only=True):
    """How to sign in: exactly one of these."""

    token: TokenAuth | None = None
    """A token."""
    iam: IamAuth | None = None
    """A user and a password, with which tokens are fetched from IAM."""
    aksk: AkSkAuth | None = None
    """An access key and its secret key."""
