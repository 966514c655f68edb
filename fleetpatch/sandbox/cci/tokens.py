"""The tokens that IAM hands out, and when each expires."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_BYTES: Final = 48


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, with the seconds since the epoch between which it is good."""

    token: str = field(repr=False)
    issued_at: float
    expires_at: float


@dataclass(slots=True)
class Tokens:
    """Tokens that live for `lifetime` seconds; `wall` tells the time, in seconds since the epoch.

    Those that have expired are forgotten when the next one is issued.
    """

    lifetime: float
    wall: Callable[[], float]
    _expiries: dict[str, float] = field(default_factory=dict, repr=False)

    def issue(self) -> Issued:
        """Hand out a token that nobody can guess."""
        now = self.wall()
        self._expiries = {token: end for token, end in self._expiries.items() if now < end}
        issued = Issued(secrets.token_urlsafe(_BYTES), now, now + self.lifetime)
        self._expiries[issued.token] = issued.expires_at
        return issued

    def is_good(self, token: str) -> bool:
        """Whether `token` was handed out and has not expired."""
        return self.wall() < self._expiries.get(token, 0.0)

    def revoke(self) -> None:
        """Let all tokens handed out so far expire at once."""
        self._expiries.clear()

    def __len__(self) -> int:
        return len(self._expiries)
