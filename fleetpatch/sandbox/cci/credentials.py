"""The credentials of the sandbox in CCI mode, generated at each start, and the file with them."""

import hmac
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from fleetpatch.sandbox.private import write_private

FILE_NAME: Final = "cci.env"
_NOT_SECRET: Final = ("CCI_DOMAIN", "CCI_USER", "CCI_PROJECT")
_KEY_LENGTH: Final = 20
_KEY_LETTERS: Final = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """Three ways to sign in: a token that does not expire, an IAM account, and an access key.

    `project` is the name of the project that tokens are issued for.
    """

    domain: str
    user: str
    project: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Generate random credentials."""
        return cls(
            # Names are not secret, and fixed ones can be written into a plan.
            domain="sandbox-domain",
            user="sandbox-user",
            project="sandbox-project",
            password=secrets.token_urlsafe(16),
            token=secrets.token_urlsafe(32),
            access_key="".join(secrets.choice(_KEY_LETTERS) for _ in range(_KEY_LENGTH)),
            secret_key=secrets.token_hex(20),
        )

    def variables(self) -> dict[str, str]:
        """The credentials as environment variables."""
        return {
            "CCI_TOKEN": self.token,
            "CCI_DOMAIN": self.domain,
            "CCI_USER": self.user,
            "CCI_PASSWORD": self.password,
            "CCI_PROJECT": self.project,
            "CCI_ACCESS_KEY": self.access_key,
            "CCI_SECRET_KEY": self.secret_key,
        }


def write_credentials(path: Path, credentials: IssuedCredentials) -> None:
    """Write `KEY=value` lines to a file with mode 0600. It replaces only one of a sandbox.

    Raises OSError.
    """
    lines = (f"{key}={value}\n" for key, value in credentials.variables().items())
    write_private(path, "".join(lines).encode(), are_credentials)


def are_credentials(content: bytes) -> bool:
    """Whether these are credentials of a sandbox: its names, with any secrets."""
    found = [line.partition("=") for line in content.decode(errors="replace").splitlines()]
    known = IssuedCredentials.generate().variables()
    if [key for key, _, _ in found] != list(known):
        return False
    return all(value == known[key] for key, _, value in found if key in _NOT_SECRET)


def secrets_equal(given: str, known: str) -> bool:
    """Compare two secrets in constant time; `given` may be any text from a request."""
    # `compare_digest` accepts text in ASCII only, so bytes are compared.
    a, b = (each.encode(errors="surrogatepass") for each in (given, known))
    return hmac.compare_digest(a, b)
