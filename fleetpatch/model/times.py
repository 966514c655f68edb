"""Times as programs read them."""

from datetime import UTC, datetime
from typing import Final, overload

LAST_SECOND: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
"""Of the year 9999, which `datetime` can still represent, in seconds since the epoch."""


@overload
def rfc3339(seconds: float) -> str: ...
@overload
def rfc3339(seconds: float | None) -> str | None: ...
def rfc3339(seconds: float | None) -> str | None:
    """Return seconds since the epoch as `2026-11-26T20:15:00Z`; None stays None.

    A time that RFC 3339 does not have, as a damaged file or the estimate for a run of thousands of
    years may have it, becomes the nearest one.
    """
    if seconds is None:
        return None
    nearest = min(max(seconds, 0.0), LAST_SECOND)
    return f"{datetime.fromtimestamp(nearest, UTC):%Y-%m-%dT%H:%M:%SZ}"
