"""The label selector: parsing, rendering, matching, and the places of mistakes.

Left out: agreement with a real API server, in `test_label_selector_on_server`.
"""

import pytest
from hypothesis import example, given, settings

from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.selectors.requirement import Operator, Requirement, SelectorError, int64
from tests.model.selectors import strategies

ACCEPTED = {
    "": "",
    "a": "a",
    "!a": "!a",
    "a=b": "a=b",
    "a==b": "a=b",
    "a!=b": "a!=b",
    "a in (b,c)": "a in (b,c)",
    "a in (c, b,c)": "a in (b,c)",
    "a notin (b)": "a notin (b)",
    "a in ()": "a in ()",
    "a in (b, )": "a in (,b)",
    "a in (,)": "a in ()",
    "a in (b,,c)": "a in (,b,c)",
    "a in (b,,,)": "a in (,b)",
    "a>5": "a>5",
    "a < 5": "a<5",
    "a=": "a=",
    "a=,b": "a=,b",
    "app in(etl)": "app in (etl)",
    " app = etl ": "app=etl",
    "\tapp\r\n=\netl": "app=etl",
    "app=etl,app=xx": "app=etl,app=xx",
    "b,a,b": "a,b",
    "x/y=1": "x/y=1",
    "in in (in)": "in in (in)",
    "notin,!in,in=notin": "!in,in=notin,notin",
}

REJECTED = {
    "a gt 5": (3, "write 'key>5'"),
    ",": (1, "expected a label key"),
    "a,,b": (3, "expected a label key"),
    "a=b c": (5, "expected ',' or the end"),
    "a=b,": (5, "found the end"),
    "x/y/z=1": (1, "more than one '/'"),
    "-a=b": (1, "is not a valid label key"),
    "a=ü": (3, "is not a valid label value"),
    "a in (b,,)": (10, "expected a value after ',,'"),
    "!a=b": (3, "expected ',' or the end"),
    "!": (2, "expected a label key"),
    "a>b": (3, "integers of 64 bits"),
    "a>": (3, "integers of 64 bits"),
    "a>9223372036854775808": (3, "integers of 64 bits"),
    "a>-5": (3, "is not a valid label value"),
    "a in b": (6, "expected '('"),
    "a in": (5, "expected '('"),
    "a in (b": (8, "found the end"),
    "a in (b c)": (9, "expected ',' or ')'"),
    "a not in (b)": (3, "in one word"),
    "a=b AND c=d": (5, "join requirements with ','"),
    "a=b || c=d": (5, "selectors have no 'or'"),
    "a IN (b)": (3, "expected one of"),
    "a=(b)": (3, "expected a value"),
    "(a)": (1, "expected a label key"),
    "a!b": (2, "expected one of"),
    "a\x00": (1, "is not a valid label key"),
    "a=" + "b" * 64: (3, "64 characters"),
}


@pytest.mark.parametrize(("text", "canonical"), ACCEPTED.items())
def test_what_the_server_accepts_is_parsed_and_rendered(text: str, canonical: str) -> None:
    assert str(Selector.parse(text)) == canonical


@pytest.mark.parametrize(("text", "wrong"), REJECTED.items())
def test_what_the_server_rejects_is_refused_with_column_and_hint(
    text: str, wrong: tuple[int, str]
) -> None:
    with pytest.raises(SelectorError) as caught:
        Selector.parse(text)

    column, words = wrong
    assert caught.value.column == column
    assert words in caught.value.what


@given(strategies.selectors)
def test_a_rendered_selector_parses_back_to_itself(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


@given(strategies.texts | strategies.mutated())
@example("a in (b,,c,,,d,)")
def test_any_text_is_parsed_or_refused_with_a_place_in_it(text: str) -> None:
    selector, column = Selector(), 1

    try:
        selector = Selector.parse(text)
    except SelectorError as error:
        column = error.column

    assert 1 <= column <= len(text) + 1
    assert Selector.parse(str(selector)) == selector


@given(strategies.selectors, strategies.labels)
@settings(max_examples=50)
def test_a_selector_matches_if_all_of_its_requirements_do(
    selector: Selector, labels: dict[str, str]
) -> None:
    alone = [Selector((requirement,)).matches(labels) for requirement in selector.requirements]

    assert selector.matches(labels) == all(alone)


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("", ["none", "empty", "b", "5", "junk"]),
        ("a", ["empty", "b", "5", "junk"]),
        ("!a", ["none"]),
        ("a=b", ["b"]),
        ("a=", ["empty"]),
        ("a!=b", ["none", "empty", "5", "junk"]),
        ("a in (b, 5)", ["b", "5"]),
        ("a in ()", ["empty"]),
        ("a in (b, )", ["empty", "b"]),
        ("a notin (b)", ["none", "empty", "5", "junk"]),
        ("a notin ()", ["none", "b", "5", "junk"]),
        ("a>4", ["5"]),
        ("a>5", []),
        ("a<0006", ["5"]),
        ("a,a!=b", ["empty", "5", "junk"]),
        ("a=b,a=5", []),
    ],
)
def test_matching_of_each_operator(text: str, matching: list[str]) -> None:
    objects: dict[str, dict[str, str]] = {
        "none": {"other": "b"},
        "empty": {"a": ""},
        "b": {"a": "b"},
        "5": {"a": "5"},
        "junk": {"a": "5x"},
    }

    selector = Selector.parse(text)

    assert [name for name, labels in objects.items() if selector.matches(labels)] == matching


def test_order_repetition_and_spelling_do_not_make_another_selector() -> None:
    assert Selector.parse("b in (y, x), a == 1, a=1") == Selector.parse("a=1,b in (x,y)")


def test_only_a_selector_without_requirements_is_empty() -> None:
    assert Selector.parse(" \t").is_empty
    assert not Selector.parse("a").is_empty


def test_a_requirement_can_be_taken_apart() -> None:
    (requirement,) = Selector.parse("tier notin (std, gold)").requirements

    assert requirement == Requirement("tier", Operator.NOT_IN, ("gold", "std"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("+5", 5),
        ("-007", -7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", None),
        ("9" * 5000, None),
        ("", None),
        ("-", None),
        ("1_000", None),
        ("0x1", None),
        ("٣", None),
        ("5\n", None),
    ],
)
def test_numbers_are_read_as_go_reads_them(text: str, number: int | None) -> None:
    assert int64(text) == number
