"""Hypothesis strategies for label selectors, their texts, and label sets that they may match."""

from hypothesis import strategies as st

from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.selectors.requirement import Operator, Requirement

# Few keys and values, so that selectors often match; `in` and `notin` are also operators.
KEYS = ("app", "tier", "rank", "in", "notin", "example.com/team")
VALUES = ("", "etl", "train", "gold", "in", "0", "5", "007", "10", "9223372036854775807", "A_b.c-d")
NUMBERS = ("0", "5", "007", "9223372036854775807")

keys = st.sampled_from(KEYS)
values = st.sampled_from(VALUES)
labels = st.dictionaries(keys, values, max_size=len(KEYS))


@st.composite
def requirements(draw: st.DrawFn) -> Requirement:
    """Draw any requirement that a selector can hold."""
    operator = draw(st.sampled_from(Operator))
    match operator:
        case Operator.EXISTS | Operator.DOES_NOT_EXIST:
            found: tuple[str, ...] = ()
        case Operator.IN | Operator.NOT_IN:
            found = tuple(sorted(draw(st.sets(values, min_size=1, max_size=4))))
        case Operator.GREATER_THAN | Operator.LESS_THAN:
            found = (draw(st.sampled_from(NUMBERS)),)
        case _:
            found = (draw(values),)
    return Requirement(draw(keys), operator, found)


selectors = st.sets(requirements(), max_size=4).map(
    lambda found: Selector(
        tuple(sorted(found, key=lambda one: (one.key, one.operator, one.values)))
    )
)

_PIECES = (
    *("a", "app", "in", "notin", "gt", "x/y", "etl", "5", "-1", "ü", "-a", "A", "b_"),
    *("=", "==", "!=", "!", ">", "<", "(", ")", ",", ",,", " ", "\t", "\n", "&&", "/", "a" * 64),
)

texts = st.lists(st.sampled_from(_PIECES), max_size=9).map("".join)
"""Texts made of the tokens of selectors; some are selectors, most are not."""


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Draw a selector's text with one token inserted, removed or replaced."""
    text = str(draw(selectors))
    at = draw(st.integers(0, len(text)))
    cut = draw(st.integers(0, 2))
    return text[:at] + draw(st.sampled_from(("", *_PIECES))) + text[at + cut :]
