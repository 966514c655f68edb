"""What a log-in finds around it, secrets above all: in variables and files that the plan names.

No message quotes what they hold.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetpatch.errors import CredentialsError
from fleetpatch.files import expand_home
from fleetpatch.kube.credentials import is_token
from fleetpatch.model.ports import Clock


@dataclass(frozen=True, slots=True)
class LoginEnvironment:
    """The environment, a clock, and `tls`, by which CCI is verified (None for plain HTTP).

    `where` opens every message: `cluster cci-north`.
    """

    where: str
    clock: Clock
    environ: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = None

    def variable(self, name: str, what: str) -> str:
        """Give `what`, such as "the password", from a variable. Raises CredentialsError."""
        value = self.environ.get(name, "")
        if not value.strip():
            raise CredentialsError(
                f"{self.where}: ${name} is to hold {what}, but is not set; export it"
            )
        return value

    def for_header(self, name: str, what: str) -> str:
        """Give `what` from a variable, fit to stand in a header. Raises CredentialsError."""
        value = self.variable(name, what).strip()
        if not is_token(value):
            raise CredentialsError(
                f"{self.where}: ${name} holds what cannot be {what}, since a header takes"
                " printable ASCII alone; set it anew"
            )
        return value

    def file(self, name: str, what: str) -> str:
        """Give `what` from a file, without the line end behind it. Raises CredentialsError."""
        try:
            value = expand_home(name).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problem = getattr(error, "strerror", None) or "it is not text"
            raise CredentialsError(
                f"{self.where}: {name}: cannot read {what} ({problem}); check it"
            ) from None
        if not value:
            raise CredentialsError(f"{self.where}: {name}: is empty; write {what} into it")
        return value
