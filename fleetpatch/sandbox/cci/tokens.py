"""The tokens that IAM issues, and their expiry."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_BYTES: Final = 48
"""Random bytes of a token."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token and the times between which it is valid, in seconds since the epoch."""

    token: str = field(repr=False)
    issued_at: float
    expires_at: float


@dataclass(slots=True)
class Tokens:
    """Issued tokens, each valid for `lifetime` seconds.

    `wall` is the clock, in seconds since the epoch. Expired tokens are removed when the next one is
    issued.
    """

    lifetime: float
    wall: Callable[[], float]
    _expiries: dict[str, float] = field(default_factory=dict, repr=False)

    def issue(self) -> Issued:
        """Issue a random token."""
        now = self.wall()
        # Keeps the memory bounded by the logins within one lifetime.
        self._expiries = {token: end for token, end in self._expiries.items() if now < end}
        issued = Issued(secrets.token_urlsafe(_BYTES), now, now + self.lifetime)
        self._expiries[issued.token] = issued.expires_at
        return issued

    def is_valid(self, token: str) -> bool:
        """Whether `token` was issued and has not expired."""
        return self.wall() < self._expiries.get(token, 0.0)

    def revoke(self) -> None:
        """Expire all tokens at once."""
        self._expiries.clear()

    def __len__(self) -> int:
        return len(self._expiries)
