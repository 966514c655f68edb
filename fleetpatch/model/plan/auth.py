"""The plan's `auth`: how to sign in to a provider, with names of variables and files.

A plan never contains a secret itself. Relative paths are relative to the working directory, as for
the `--token-file` of other tools.
"""

from typing import Annotated, Final

from pydantic import Field

from fleetpatch.model.plan.section import Given, Section

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""

Text = Annotated[str, Field(min_length=1)]

MAX_SIGNED_BODY_BYTES: Final = 12 * 1024 * 1024
"""Bytes; the gateway refuses to check the signature of a request with a larger body."""


class TokenAuth(Section):
    """A token from an environment variable, or from a file that is read again before it expires."""

    env: Annotated[VariableName | None, Given] = None
    """The environment variable that holds the token."""
    file: Annotated[Text | None, Given] = None
    """The file that holds the token."""


class IamAuth(Section):
    """An IAM user, for which fleetpatch fetches tokens."""

    endpoint: Text
    """IAM's URL, such as https://iam.cn-north-4.myhuaweicloud.com."""
    domain: Text
    """The account's name."""
    user: Text
    """The user's name."""
    password_env: Annotated[VariableName | None, Given] = None
    """The environment variable that holds the password."""
    password_file: Annotated[Text | None, Given] = None
    """The file that holds the password."""
    project: Text
    """The name of the project that the token is for: cn-north-4."""


class AkSkAuth(Section):
    """An access key, with which every request is signed (needs fleetpatch[huaweicloud])."""

    access_key_env: VariableName
    """The environment variable that holds the access key's id (AK)."""
    secret_key_env: VariableName
    """The environment variable that holds the secret key (SK)."""
    project: Text
    """The id of the project that requests are for."""


class Auth(Section):
    """How to sign in: exactly one of these."""

    token: Annotated[TokenAuth | None, Given] = None
    """A token."""
    iam: Annotated[IamAuth | None, Given] = None
    """A user and a password, with which tokens are fetched from IAM."""
    aksk: Annotated[AkSkAuth | None, Given] = None
    """An access key and its secret key."""
