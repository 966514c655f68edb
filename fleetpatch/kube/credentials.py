"""Credentials that stay fresh, renewed once for all who ask.

A grant that says how long it stays fresh is renewed when that time is over, beside the requests:
the old one is still good, so nobody waits. Where that fails it is tried again, at pauses that
double, so that a password which is refused is not shown often enough to lock its account.

When a token expires all the same, every request in flight is answered 401 and every worker asks for
a renewal. The lock lets one of them do it; those who waited, and the stragglers whose 401 comes in
later, find that the grant which was refused has been replaced. A renewal that brings nothing new is
shared for a while as well: a broken plugin is not run once for each worker.
"""

import asyncio
import math
from pathlib import Path
from typing import Final

import anyio

from fleetpatch.errors import CredentialsError, SurroundingsError
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.model.ports import Clock

SHARED_FOR: Final = 10.0
"""Seconds for which a renewal that brought nothing new answers for the next."""


class Credentials:
    """The current grant of one connection; `trouble` says why the last renewal failed, if so."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.grant: Grant = connection.grant
        self.trouble = ""
        self._renewal = connection.renewal
        self._remedy = connection.remedy
        self._clock = clock
        self._due = clock.monotonic() + connection.grant.fresh_for
        self._pause = SHARED_FOR
        self._lock = anyio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self._refused = False
        self._failed_at = -math.inf

    @property
    def remedy(self) -> str:
        """What to do about credentials that are refused: the last trouble knows it best."""
        return self.trouble or self._remedy

    def is_due(self) -> bool:
        """Tell whether the grant is to be renewed; cheap."""
        return self._clock.monotonic() >= self._due

    def refresh(self) -> asyncio.Task[None]:
        """Begin to renew a grant that is due; it serves until there is another."""
        # Of all who find it due, one begins; the next time is set when this one is over.
        self._due = math.inf
        self._refreshing = asyncio.create_task(self._refresh(self.grant))
        return self._refreshing

    def refuse(self, grant: Grant) -> None:
        """Note that the server refused `grant`, unless it was replaced meanwhile."""
        self._refused = self._refused or grant is self.grant

    async def renew(self) -> bool:
        """Renew after a 401. True where the grant is another than the one that was refused."""
        async with self._lock:
            failing = self._clock.monotonic() - self._failed_at < SHARED_FOR
            if self._refused and not failing and not await self._fetch():
                self._failed_at = self._clock.monotonic()
            return not self._refused

    async def close(self) -> None:
        """End a renewal that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})
            if not self._refreshing.cancelled():
                self._refreshing.result()

    async def _refresh(self, old: Grant) -> None:
        async with self._lock:
            # A 401 may have been first.
            if self.grant is old:
                await self._fetch()

    async def _fetch(self) -> bool:
        if self._renewal is None:
            return False
        try:
            grant = await self._renewal()
        except SurroundingsError as error:
            self.trouble = str(error)
            if math.isfinite(self.grant.fresh_for):
                self._due = self._clock.monotonic() + self._pause
                self._pause *= 2
            return False
        self.trouble = ""
        self._due = self._clock.monotonic() + grant.fresh_for
        self._pause = SHARED_FOR
        if grant == self.grant:
            return False
        self.grant = grant
        self._refused = False
        return True


TOKEN_FILE_FRESH_FOR: Final = 60.0
"""Seconds until a token file is read again; tokens of service accounts rotate within the hour."""


def read_token(file: Path) -> str:
    """Read the token in `file`, which another program replaces. Raises CredentialsError."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not text"
        raise CredentialsError(f"{file}: cannot read the token ({problem}); check it") from None
    if not is_token(token):
        raise CredentialsError(f"{file}: holds no token; write one into it")
    return token


def is_token(text: str) -> bool:
    """Report whether `text` can be part of a header as it is."""
    return bool(text) and text.isascii() and text.isprintable()
