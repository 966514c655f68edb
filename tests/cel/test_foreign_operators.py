"""Operators of other languages in expressions: each of them is one mistake that says what to write.

Covered: each operator, its place, quoted text, comments, fields of the same name, other mistakes in
the same expression, variables that use each other.
Left out: the place in a plan file (tests/model/plan/test_expression_mistakes.py).
"""

import pytest

from fleetpatch.cel.expressions import Language


def mistakes(text: str) -> list[tuple[int, str]]:
    _, found = Language({}, {}).checked(text)
    return [(one.offset, one.what) for one in found]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('object.name «=» "x"', "=="),
        ("object.name«=»'x'", "=="),
        ('object.name «===» "x"', "=="),
        ("object.a «!==» 1", "!="),
        ("object.a «<>» 1", "!="),
        ("object.a «=>» 1", ">="),
        ("object.a «=<» 1", "<="),
        ("object.a «&» object.b", "&&"),
        ("object.a «|» object.b", "||"),
        ("object.a «and» object.b", "&&"),
        ("(object.a) «AND» (object.b)", "&&"),
        ("object.a[0] «or» !object.b", "||"),
        ("«not» object.a == 1", "!(...)"),
        ("object.a && «not»(object.b)", "!(...)"),
        ("object.a «not in» ['x']", "!(x in list)"),
        ("object.a == '= and' «or» object.b", "||"),
        ("object.a == r'\\d = ' «or» object.b", "||"),
        ("object.a == '''a'b = ''' «or» object.b", "||"),
        ("object.a == 'it\\'s = ' «or» object.b", "||"),
        ("  // =\n object.a «or» object.b", "||"),
        ("object.a // = 1 and\n «or» object.b", "||"),
        ("object.and «or» object.?not.orValue(true)", "||"),
        ("[true].exists(and, and) «or» object.b", "||"),
    ],
)
def test_an_operator_of_another_language_is_one_mistake(text: str, written: str) -> None:
    before, _, rest = text.partition("«")
    operator, _, after = rest.partition("»")

    what = f"'{operator}' is not an operator of CEL; write '{written}'"
    assert mistakes(before + operator + after) == [(len(before), what)]


def test_each_of_several_operators_is_reported_with_the_other_mistakes() -> None:
    text = "object.a = 1 and objct.b = 2 or 1 + 'a' == 2"

    found = mistakes(text)

    assert [offset for offset, _ in found] == [
        *(text.index(one) for one in ("=", "and", "objct")),
        text.index("= 2"),
        *(text.index(one) for one in ("or", "+")),
    ]
    assert "did you mean object?" in found[2][1]
    assert "+ does not take these types" in found[5][1]


@pytest.mark.parametrize(
    "text",
    [
        "object.and == 1 && object.not.or == 2",
        "object.a == '=' || object.b == 'not x and y'",
        "[true].all(or, or) && {'a': 1}.all(not, not == 'a') // and = or",
        "object.a >= 1 && object.b <= 2 && object.c != 3 && !(object.d in [4])",
    ],
)
def test_what_cel_has_is_no_mistake(text: str) -> None:
    assert mistakes(text) == []


def test_an_unclosed_quote_hides_what_follows() -> None:
    assert mistakes('"abc = 1 and 2')[0] == (0, "the quotes are not closed")


def test_a_variable_with_such_an_operator_finds_the_variables_that_it_uses() -> None:
    language = Language({"a": "variables.b = 1", "b": "object.n"}, {})

    ((offset, what),) = ((one.offset, one.what) for one in language.mistakes["a"])

    assert (offset, what) == (12, "'=' is not an operator of CEL; write '=='")


def test_text_that_is_compared_with_a_time_is_to_be_converted() -> None:
    ((_, what),) = mistakes("'2026-01-01T00:00:00Z' < now")

    assert what == (
        "< does not take these types: (string, timestamp); write timestamp(...) around the text"
    )
