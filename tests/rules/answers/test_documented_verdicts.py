"""The README and the reference show the tables of verdicts as they are.

Left out: the rest of the docs (tests/test_docs.py).
"""

from pathlib import Path

from fleetpatch.model.outcome import OUTCOME_OF, Reason
from fleetpatch.model.plan.retry import RETRIED as RETRIED_STATUSES
from fleetpatch.model.plan.retry import RetrySection
from fleetpatch.rules.answers.server_errors import PHRASES
from fleetpatch.rules.answers.verdicts import ROWS

README = Path(__file__).parents[3] / "README.md"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"


def test_the_reference_shows_the_ruling_of_each_status() -> None:
    rows = [f"| {row.shown} | {row.meaning} |" for row in ROWS]

    assert "\n".join(rows) in REFERENCE.read_text()


def test_the_readme_and_the_reference_show_what_is_retried() -> None:
    assert f"| {', '.join(map(str, RETRIED_STATUSES))} | sent again" in README.read_text()
    assert f"  statuses: {list(RetrySection().statuses)} " in REFERENCE.read_text()


def test_the_reference_shows_the_phrases_of_a_500() -> None:
    rows = [f"| `{one.text}` | {one.meaning.value} | {one.source} |" for one in PHRASES]

    assert "\n".join(rows) in REFERENCE.read_text()


def test_the_reference_shows_every_reason_with_its_outcome() -> None:
    text = REFERENCE.read_text()

    assert [one for one in Reason if f"| {OUTCOME_OF[one]} | `{one}` |" not in text] == []
