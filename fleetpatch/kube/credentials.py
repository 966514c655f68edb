"""Renews the credentials of one connection before they expire, once for all workers.

A grant with a known lifetime is renewed shortly before its end, while requests still use the old
one. If the renewal fails, it is repeated after pauses that double, so that a wrong password is not
sent often enough to lock its account.

If a token expires nevertheless, every request in flight is answered 401 and every worker calls
`renew`. One of them holds the lock and renews; for the others, and for a worker whose 401 arrives
later, the refused grant has been replaced. A renewal without a new grant counts for all workers,
too, for a few seconds: a plugin that fails is not run once for each worker.
"""

import asyncio
import errno
import math
from pathlib import Path
from typing import Final

import anyio

from fleetpatch.errors import CredentialsError, SurroundingsError
from fleetpatch.files import read_start
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.model.ports import Clock

SHARED_FOR: Final = 10.0
"""Seconds in which no renewal follows one without a new grant; the first pause as well."""

TOKEN_FILE_FRESH_FOR: Final = 60.0
"""Seconds until a token file is read again; tokens of service accounts rotate within the hour."""

SECRET_LIMIT: Final = 1024 * 1024
"""Bytes of a file that contains a token or a password."""


class Credentials:
    """The current grant of a connection; `last_error` is why its last renewal failed, or ''."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.grant: Grant = connection.grant
        self.last_error = ""
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
        """What to do about credentials that are refused."""
        # The error of a renewal names the cause; the general advice can only guess it.
        return self.last_error or self._remedy

    def is_due(self) -> bool:
        """Return whether the grant is to be renewed. Called before each request."""
        return self._clock.monotonic() >= self._due

    def refresh(self) -> asyncio.Task[None]:
        """Start the renewal of a grant that is due; requests use the old one until it has ended."""
        # Not due again while this renewal runs: one is enough for all workers.
        self._due = math.inf
        self._refreshing = asyncio.create_task(self._refresh(self.grant))
        return self._refreshing

    def note_refusal(self, grant: Grant) -> None:
        """Note a 401 for `grant`; ignored if the grant was replaced since."""
        self._refused = self._refused or grant is self.grant

    async def renew(self) -> bool:
        """Renew after a 401; return True if the current grant is not the refused one."""
        async with self._lock:
            # Another worker may have renewed, or failed to, while this one waited for the lock.
            failing = self._clock.monotonic() - self._failed_at < SHARED_FOR
            if self._refused and not failing and not await self._fetch():
                self._failed_at = self._clock.monotonic()
            return not self._refused

    async def close(self) -> None:
        """Cancel a renewal that is running."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})
            # An unexpected error of the renewal must not be lost.
            if not self._refreshing.cancelled():
                self._refreshing.result()

    async def _refresh(self, old: Grant) -> None:
        async with self._lock:
            # While this waited for the lock, a 401 may have had the grant renewed.
            if self.grant is old:
                await self._fetch()

    async def _fetch(self) -> bool:
        if self._renewal is None:
            return False
        try:
            grant = await self._renewal()
        except SurroundingsError as error:
            self.last_error = str(error)
            # A grant without a known end was refused: `renew` decides when to try again.
            if math.isfinite(self.grant.fresh_for):
                self._due = self._clock.monotonic() + self._pause
                self._pause *= 2
            return False
        self.last_error = ""
        # Measured from now: the renewal itself may have taken minutes.
        self._due = self._clock.monotonic() + grant.fresh_for
        self._pause = SHARED_FOR
        # A token file or plugin may return the credentials that were refused.
        if grant == self.grant:
            return False
        self.grant = grant
        self._refused = False
        return True


def read_secret(file: Path, encoding: str) -> str:
    """Read a regular file of at most SECRET_LIMIT bytes, without waiting for a pipe or device.

    Raises OSError, with the reason in `strerror`, and UnicodeDecodeError.
    """
    try:
        content, size = read_start(file, SECRET_LIMIT + 1)
    except ValueError:
        raise OSError(errno.EINVAL, "its path contains a NUL character", str(file)) from None
    if max(size, len(content)) > SECRET_LIMIT:
        reason = f"it is larger than {SECRET_LIMIT >> 20} MiB"
        raise OSError(errno.EFBIG, reason, str(file))
    return content.decode(encoding)


def read_token(file: Path) -> str:
    """Read the token in `file`, which another program replaces. Raises CredentialsError."""
    try:
        token = read_secret(file, "ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not text"
        raise CredentialsError(f"{file}: cannot read the token ({problem}); check it") from None
    if not is_token(token):
        raise CredentialsError(f"{file}: has no token; write one into it")
    return token


def is_token(text: str) -> bool:
    """Return whether `text` can be part of a header as it is."""
    return bool(text) and text.isascii() and text.isprintable()
