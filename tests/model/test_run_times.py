"""The times of a run as RFC 3339, also where a file or an estimate has one that cannot be."""

import pytest

from fleetpatch.model.times import rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00Z"),
        (1_800_000_000.9, "2027-01-15T08:00:00Z"),
        (-1e300, "1970-01-01T00:00:00Z"),
        (1e300, "9999-12-31T23:59:59Z"),
        (float("inf"), "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_shown_and_one_that_cannot_be_becomes_the_nearest(
    seconds: float | None, text: str | None
) -> None:
    assert rfc3339(seconds) == text
