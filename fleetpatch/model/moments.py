"""Points in time as servers write them, read as seconds since the epoch."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_of_http_date(header: str) -> float | None:
    """Read an HTTP date (RFC 9110, section 5.6.7); None for anything else."""
    try:
        return _seconds(parsedate_to_datetime(header))
    except _UNREADABLE:
        return None


def seconds_of_rfc3339(text: str) -> float | None:
    """Read an RFC 3339 timestamp; None for anything else."""
    try:
        return _seconds(datetime.fromisoformat(text))
    except _UNREADABLE:
        return None


# Numbers of any length reach the C integers behind a date, and their limits.
_UNREADABLE = (ValueError, TypeError, IndexError, OverflowError)


def _seconds(moment: datetime) -> float:
    # "-0000" and a missing zone parse as naive; both formats mean UTC then.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
