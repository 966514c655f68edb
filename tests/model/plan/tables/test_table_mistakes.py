"""Mistakes in a table's file: each has the file and the line of the table, and all are reported."""

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.tables.read import LARGEST, read_table

MISTAKES: list[tuple[str, bytes, str, str]] = [
    ("a.csv", b"", "1:1", "the file is empty"),
    ("a.csv", b"\r\n\n", "1:1", "the file is empty"),
    ("a.csv", b"team,centre\n", "1:1", "the table has no row"),
    ("a.csv", b"dept,centre\na,b\n", "1:1", "no column 'team', by which the plan finds rows"),
    ("a.csv", b"Team,centre\na,b\n", "1:1", "the columns are 'Team', 'centre'"),
    ("a.csv", b"team;centre\na;b\n", "1:1", "are separated by semicolons, so save it with commas"),
    ("a.csv", b"team\tcentre\na\tb\n", "1:1", "are separated by tabs"),
    ("a.csv", b"team,team\na,b\n", "1:1", "the column 'team' is repeated"),
    ("a.csv", b"team,\na,b\n", "1:1", "a column has no name"),
    ("a.csv", b"team, centre\na,b\n", "1:1", "the column ' centre' has blanks around it"),
    ("a.csv", b"team,c\na,1\n\nb,2\na,3\n", "5:1", "the key 'a' is repeated, first in line 2"),
    ("a.csv", b'team,c\n"a","two\nlines"\nb,1\nb,2\n', "5:1", "'b' is repeated, first in line 4"),
    ("a.csv", b"team,c\n,1\n", "2:1", "team: the key is empty"),
    ("a.csv", b"team,c\na ,1\n", "2:1", "team: the key 'a ' has blanks around it"),
    ("a.csv", b"team,c\na\n", "2:1", "the line has 1 values, and there are 2 columns"),
    ("a.csv", b"team,c\na,1,2\n", "2:1", "the line has 3 values, and there are 2 columns"),
    ("a.csv", b'team,c\na,"1\nb,2\n', "2:1", "the quotes are not closed"),
    ("a.csv", b'team,c\na,"1"x\n', "2:1", "after closing quotes only a comma"),
    ("a.csv", b'team,c\na, "7"\n', "2:4", "blanks are in front of the quotes; remove them"),
    ("a.csv", b'team, "c"\na,7\n', "1:7", "blanks are in front of the quotes"),
    ("a.csv", b'team,c\n"a",x"y\n', "2:6", "a quote is within a value; put the whole value in"),
    ("a.csv", b'team,c\r\n"a","b\r\n"\rd,5" ', "4:4", "a quote is within a value"),
    ("a.csv", b'team,c\na\nb,x"y\n', "2:1", "the line has 1 values"),
    ("a.csv", b'team,c\n\na,x"y\na,"z\n', "3:4", "a quote is within a value"),
    ("a.csv", b'team,c\na,"x"y\nb,x"y\n', "2:1", "after closing quotes only a comma"),
    ("a.csv", b"team,c\na," + b"x" * 140_000 + b"\n", "2:1", "more than 131072 characters"),
    ("a.csv", "team,c\na,ä\n".encode("latin-1"), "2:3", "not UTF-8 here; save it as UTF-8"),
    ("a.csv", "team,c\na,b\n".encode("utf-16"), "1:1", "the file is UTF-16; save it as UTF-8"),
    ("a.csv", ",".join(f"c{i}" for i in range(1001)).encode(), "1:1", "more than 1000 columns"),
    ("a.csv", b"team,c\na,b\0c\n", "2:1", "c: contains the character U+0000"),
    ("a.csv", b"team,c\na\0,b\n", "2:1", "team: contains the character U+0000"),
    ("a.csv", b"team,c\0\na,b\n", "1:1", "the column 'c\\x00' contains the character U+0000"),
    ("a.json", b'[{"team": "a", "c": "\\u0000"}]', "1:2", "c: contains the character U+0000"),
    ("a.json", b'[{"team": "a", "c": [{"\\u0000": 1}]}]', "1:2", "c: contains the character"),
    ("a.yaml", b'- {team: a, c: [["\\0"]]}', "1:3", "c: contains the character U+0000"),
    ("a.json", b"", "1:1", "a table is a list of rows"),
    ("a.json", b"[]", "1:1", "the table has no row"),
    ("a.json", b'{"a": {"c": 1}}', "1:1", "a table is a list of rows"),
    ("a.json", b'[\n"a"]', "2:1", "a row is an object of columns and values"),
    ("a.json", b'[{"team": "a"},\n {"team": "a"}]', "2:2", "'a' is repeated, first in line 1"),
    ("a.json", b'[{"team": 1}]', "1:2", "the key must be text, and '1' is not"),
    ("a.json", b'[{"team": null}]', "1:2", "the key must be text"),
    ("a.json", b'[{"c": 1}]', "1:2", "there is no column 'team'"),
    ("a.json", b'[{"team": "a", "c": 1},\n{"team": "b"}]', "2:1", "the row lacks the column 'c'"),
    ("a.json", b'[{"team": "a"},\n{"team": "b", "c": 1}]', "2:1", "'c' is not one of the first"),
    ("a.json", b'[{"team": "a", "team": "b"}]', "1:2", "the key 'team' is repeated in this row"),
    ("a.json", b'[{"team": "a"}\n {"team": "b"}]', "2:2", "this is not JSON (Expecting ','"),
    ("a.json", b'[{"team": "a"},\n]', "2:1", "this is not JSON"),
    ("a.json", b'[{"team": "a"', "1:14", "this is not JSON"),
    ("a.json", b'[{"team": "a"}] []', "1:17", "text follows the list"),
    ("a.json", b'[{"team": "a", "c": NaN}]', "1:2", "NaN is not valid in JSON"),
    ("a.json", b'[{"team": "a", "c": 1e999}]', "1:2", "c: the number is too large"),
    ("a.json", b'[{"team": "a", "c": 9223372036854775808}]', "1:2", "does not fit 64 bits"),
    ("a.json", b'[{"team": "a", "c": ' + b"9" * 5000 + b"}]", "1:2", "does not fit 64 bits"),
    ("a.json", b'[{"team": "a", "c": "\\ud800"}]', "1:2", "half of a character"),
    ("a.json", b'[{"team": "a", "c": ' + b"[" * 60 + b"]" * 60 + b"}]", "1:2", "more than 50 deep"),
    ("a.json", b"[" * 100_000, "1:2", "nested too deeply"),
    ("a.yaml", b"# nothing\n", "1:1", "the table has no row"),
    ("a.yaml", b"a: {c: 1}\n", "1:1", "a table is a list of rows"),
    ("a.yaml", b"- a\n", "1:3", "a row is a mapping of columns to values"),
    ("a.yml", b"- {team: a}\n- {team: a}\n", "2:3", "'a' is repeated, first in line 1"),
    ("a.yaml", b"- team: 12\n", "1:3", "the key must be text, and '12' is not"),
    ("a.yaml", b"- team: a\n  team: b\n", "2:3", "the key 'team' is repeated, first in line 1"),
    ("a.yaml", b"- {team: a, c: 0400}\n", "1:16", "0400 is octal to kubectl"),
    ("a.yaml", b"- {team: a, c: yes}\n", "1:16", "yes is true to kubectl"),
    ("a.yaml", b"- {team: a\n", "2:1", "the bracket is not closed"),
    ("a.yaml", b"- {team: a, c: 1}\n- {team: b}\n", "2:3", "the row lacks the column 'c'"),
    ("a.yaml", "- {team: a\u2028}\n".encode(), "1:11", "a line ends here for some readers"),
    ("a.yaml", b"- &a " + b"[" * 60 + b"]" * 60, "1:1", "nested more than 50 deep"),
]


@pytest.mark.parametrize(("file", "content", "place", "what"), MISTAKES)
def test_a_mistake_has_the_file_and_the_line_of_the_table(
    file: str, content: bytes, place: str, what: str
) -> None:
    with pytest.raises(PlanError) as caught:
        read_table(content, file, "team")

    first = str(caught.value.problems[0])
    assert first.startswith(f"{file}:{place}: ")
    assert what in first


def test_all_mistakes_of_a_table_are_reported_in_its_order() -> None:
    with pytest.raises(PlanError) as caught:
        read_table(b"team,c\na\nb,1\nb,2\n,3\n", "costs.csv", "team")

    places = [str(problem).split(": ")[0] for problem in caught.value.problems]
    assert places == ["costs.csv:2:1", "costs.csv:4:1", "costs.csv:5:1"]


def test_of_very_many_mistakes_the_first_are_shown_and_the_others_counted() -> None:
    content = b"team,c\n" + b"a\n" * 1000
    with pytest.raises(PlanError) as caught:
        read_table(content, "costs.csv", "team")

    assert len(caught.value.problems) == 21
    assert str(caught.value.problems[-1]) == "costs.csv: there are 980 more problems"


def test_nested_aliases_of_a_yaml_table_are_not_expanded_to_billions_of_values() -> None:
    lines = ["- {team: a, c: &c0 [x, x, x, x, x, x, x, x, x, x]}"]
    for level in range(1, 9):
        copies = ", ".join([f"*c{level - 1}"] * 10)
        lines.append(f"- {{team: t{level}, c: &c{level} [{copies}]}}")
    with pytest.raises(PlanError, match="more than 100000 values"):
        read_table("\n".join(lines).encode(), "costs.yaml", "team")


def test_a_file_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(PlanError, match="more than 67108864 bytes; split the table"):
        read_table(b"\xff" * (LARGEST + 1), "costs.csv", "team")
    with pytest.raises(PlanError, match="save it as csv or json"):
        read_table(b"- {team: a}\n" * 100_000, "costs.yaml", "team")
