"""The field selector: parsing, escapes, canonical text.

Left out: which fields a kind can select on; only a server knows.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.selectors.field_selector import FieldSelector, FieldTerm
from fleetpatch.model.selectors.requirement import SelectorError

terms = st.builds(
    FieldTerm,
    st.sampled_from(["metadata.name", "status.successful"]),
    st.text(st.sampled_from(r"ab\,=!"), max_size=6),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("a=b", "a=b"),
        ("a==b", "a=b"),
        ("c!=d,a=b", "a=b,c!=d"),
        (",a=b,,", "a=b"),
        ("a=", "a="),
        (r"a=b\,c\=d\\", r"a=b\,c\=d\\"),
        ("a=b!", "a=b!"),
    ],
)
def test_a_field_selector_is_parsed_and_rendered(text: str, canonical: str) -> None:
    assert str(FieldSelector.parse(text)) == canonical


@given(st.sets(terms, max_size=4))
def test_a_rendered_field_selector_parses_back_to_itself(found: set[FieldTerm]) -> None:
    in_order = sorted(found, key=lambda one: (one.key, one.equal, one.value))
    selector = FieldSelector(tuple(in_order))

    assert FieldSelector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("a", 1, "is not a comparison"),
        ("a=b,c", 5, "is not a comparison"),
        ("=b", 1, "is not a valid field"),
        ("a=b, c=d", 5, "without blanks"),
        ("a=b=c", 4, "needs a"),
        (r"a=b\c", 4, "is only valid before"),
        ("a=b\\", 4, "is only valid before"),
        ("a in (b)", 1, "is not a comparison"),
    ],
)
def test_an_invalid_field_selector_is_refused_with_its_column(
    text: str, column: int, words: str
) -> None:
    with pytest.raises(SelectorError) as caught:
        FieldSelector.parse(text)

    assert caught.value.column == column
    assert words in caught.value.what
