"""Credentials that stay fresh, renewed once for all who ask.

When a token expires, every request in flight is answered 401 and every worker asks for a renewal.
The lock lets one of them do it; those who waited, and the stragglers whose 401 comes in later, find
that the grant which was refused has been replaced. A renewal that brings nothing new is shared for
a while as well: a broken plugin is not run once for each worker.
"""

import math
from typing import Final

import anyio

from fleetpatch.errors import SurroundingsError
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
        self._every = connection.reread_every
        self._clock = clock
        self._due = clock.monotonic() + self._every
        self._lock = anyio.Lock()
        self._refused = False
        self._failed_at = -math.inf

    def is_due(self) -> bool:
        """Tell whether the grant is to be renewed before it is used again; cheap."""
        return self._clock.monotonic() >= self._due

    async def refresh(self) -> None:
        """Renew a grant that is due. The old one is kept where that fails."""
        # Set first, so that of all who find it due, one goes.
        self._due = self._clock.monotonic() + self._every
        async with self._lock:
            await self._fetch()

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

    async def _fetch(self) -> bool:
        if self._renewal is None:
            return False
        try:
            grant = await self._renewal()
        except SurroundingsError as error:
            self.trouble = str(error)
            return False
        self.trouble = ""
        if grant == self.grant:
            return False
        self.grant = grant
        self._refused = False
        return True
