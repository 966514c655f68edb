"""Times in expressions: `now`, and what an object shows as text."""

from datetime import UTC, datetime

import pytest

from fleetpatch.cel.program import Evaluation, Texts

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created", "is_old"), [("2026-11-20T00:00:00Z", True), ("2026-11-25T00:00:00Z", False)]
)
def test_the_age_of_an_object_is_compared_with_now(created: str, is_old: bool) -> None:
    text = 'timestamp(object.metadata.creationTimestamp) < now - duration("72h")'
    evaluation = Evaluation(Texts({}, {0: text}, [], []), {})

    found = evaluation.evaluate(
        0, {"now": NOW, "object": {"metadata": {"creationTimestamp": created}}}
    )

    assert (found.error, found.matches) == ("", is_old)
