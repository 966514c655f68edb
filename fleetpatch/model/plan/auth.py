"""How a plan signs in to a provider: by names of variables and files, never by what they hold.

Relative paths are relative to the directory that fleetpatch is started in, as for other tools'
`--token-file`.
"""

from typing import Annotated

from pydantic import Field

from fleetpatch.model.plan.section import Given, Section

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""

Text = Annotated[str, Field(min_length=1)]


class TokenAuth(Section):
    """A token that somebody else fetched: from a variable, or from a file that is read again."""

    env: Annotated[VariableName | None, Given] = None
    """The environment variable that holds the token."""
    file: Annotated[Text | None, Given] = None
    """The file that holds the token."""


class IamAuth(Section):
    """A user of IAM, whose tokens fleetpatch fetches by itself."""

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
    """The project's name, which the token is for: cn-north-4."""


class AkSkAuth(Section):
    """An access key, with which every request is signed (needs fleetpatch[huaweicloud])."""

    access_key_env: VariableName
    """The environment variable that holds the access key's id (AK)."""
    secret_key_env: VariableName
    """The environment variable that holds the secret key (SK)."""
    project: Text
    """The project's id, which requests are for."""


class Auth(Section):
    """How to sign in: exactly one of these."""

    token: Annotated[TokenAuth | None, Given] = None
    """A token."""
    iam: Annotated[IamAuth | None, Given] = None
    """A user and a password, for which IAM hands out tokens."""
    aksk: Annotated[AkSkAuth | None, Given] = None
    """An access key and its secret key."""
