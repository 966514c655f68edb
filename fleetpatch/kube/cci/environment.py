"""Reads the variables and files that a plan names for a log-in to CCI.

Most of them are secret, so no message quotes a value.
"""

import ssl
from collections.abc import Mapping
from typing import ClassVar

from fleetpatch.errors import CredentialsError
from fleetpatch.files import expand_home
from fleetpatch.kube.credentials import is_token, read_secret
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.ports import Clock


class LoginEnvironment(PartialRepr, frozen=True):
    """The environment variables, a clock, and the TLS context for CCI (None for plain HTTP).

    `where` is the beginning of each message, such as `cluster cci-north`; `run` is the run that the
    log-in is for. In the methods `what` names the value in messages, such as "the password".
    """

    _printed: ClassVar = ("where", "tls")

    where: str
    clock: Clock
    environ: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    run: str = ""

    def read_variable(self, name: str, what: str) -> str:
        """Return the value of a variable. Raises CredentialsError if it is not set."""
        value = self.environ.get(name, "")
        if not value.strip():
            raise CredentialsError(
                f"{self.where}: ${name} must contain {what}, but is not set; export it"
            )
        return value

    def read_header_value(self, name: str, what: str) -> str:
        """Return the value of a variable that is sent in a header. Raises CredentialsError."""
        value = self.read_variable(name, what).strip()
        if not is_token(value):
            raise CredentialsError(
                f"{self.where}: ${name} cannot be {what}: a header can contain printable ASCII"
                " only; correct it"
            )
        return value

    def read_file(self, name: str, what: str) -> str:
        """Return the text of a file without its last line ends. Raises CredentialsError."""
        try:
            # Only line ends are removed: blanks may be a part of a password.
            value = read_secret(expand_home(name), "utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problem = getattr(error, "strerror", None) or "it is not text"
            raise CredentialsError(
                f"{self.where}: {name}: cannot read {what} ({problem}); check it"
            ) from None
        if not value:
            raise CredentialsError(f"{self.where}: {name}: is empty; write {what} into it")
        return value
