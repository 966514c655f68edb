"""Difficult YAML: versions, tabs, '?' and ':', escapes, depth and size.

Covered: valid YAML 1.2 is read by its rules; anything else is a placed problem, never a traceback.
Left out: what the text means as a plan (test_plan, test_plan_mistakes).
"""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.load import PlanFile, parse_plan
from tests.model.plans import FULL, MINIMAL, problems_of, with_patch


def read(text: str) -> PlanFile:
    return parse_plan(text, "p")


def described(block: str) -> str:
    """Read a plan whose description is written as `block`; return the description."""
    description = f"name: relabel\n  description: {block}\n"
    return read(MINIMAL.replace("name: relabel\n", description)).plan.metadata.description


VERSIONS = [
    *("1.0", "1.1", "1.3", "1.9", "2.0", "0.1", "12", "1", "x", "", "1.2.3", "1." + "9" * 5000),
    *("1.3  # newer", "-1.2", "1.2 1.2"),
]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version[:9])
def test_another_version_of_yaml_is_a_placed_problem(version: str) -> None:
    (problem,) = problems_of(f"%YAML {version}\n---\n{MINIMAL}")

    assert problem == "plan.yaml:2:1: plan files are YAML 1.2; remove the %YAML line"


@pytest.mark.parametrize("line", ["%YAML 1.2", "%YAML  1.2  ", "%YAML 1.2 # ours", "%OTHER x"])
def test_a_directive_without_effect_is_ignored(line: str) -> None:
    assert read(f"{line}\n---\n{MINIMAL}").plan == read(MINIMAL).plan


@pytest.mark.parametrize(
    "lines", ["%YAML 1.2\n%YAML 1.2", "%YAML 1.2\n---\n%", "%", "%TAG x", "%TAG ! a\n%TAG ! a"]
)
def test_an_invalid_directive_is_a_placed_problem(lines: str) -> None:
    (problem,) = problems_of(f"{lines}\n---\n{MINIMAL}")

    assert re.match(r"plan\.yaml:\d+:\d+: \S", problem)


def test_a_directive_without_the_dashes_after_it_is_reported_as_such() -> None:
    assert problems_of(f"%YAML 1.2\n{MINIMAL}") == [
        "plan.yaml:2:1: a line '---' is missing after '%...'; add it, or remove '%...'"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: relabel\n", "name: relabel\t\n"),
        ("name: relabel\n", "name: relabel \t \n"),
        ("name: relabel\n", "name:\trelabel\n"),
        ("name: relabel\n", "name\t: relabel\n"),
        ("name: relabel\n", 'name: "relabel"\t\n'),
        ("name: relabel\n", "name: relabel\t# a comment\n"),
        ("name: relabel\n", "name: relabel\n\t\n"),
        ("name: relabel\n", "name: relabel\n  \t# a comment\n"),
        ("metadata:\n", "metadata:\t\n"),
        ("metadata:\n", "metadata:\t# a comment\n"),
        ("metadata:\n", "\t\nmetadata:\n"),
        ("[jobs.batch]\n", "[\n\tjobs.batch\t,\n\t]\t\n"),
        ("{team: ml}\n", "{team:\tml\t}\t\n"),
    ],
)
def test_a_tab_that_does_not_indent_is_white_space(old: str, new: str) -> None:
    assert MINIMAL.count(old) == 1

    assert read(MINIMAL.replace(old, new)).plan == read(MINIMAL).plan


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("  name", "\tname", "4:1"),
        ("  name", " \tname", "4:2"),
        ("  - kinds", "\t- kinds", "6:1"),
        ("- kinds", "-\tkinds", "6:4"),
        ("    selector", "  \tselector", "7:3"),
    ],
)
def test_a_tab_that_would_indent_is_reported_as_such(old: str, new: str, place: str) -> None:
    (problem,) = problems_of(MINIMAL.replace(old, new))

    assert problem == f"plan.yaml:{place}: a tab cannot indent in YAML; use blanks"


def test_a_tab_where_yaml_allows_only_a_blank_has_a_message_of_its_own() -> None:
    (problem,) = problems_of(MINIMAL.replace("name: relabel", "name: !!str\trelabel"))

    assert problem == "plan.yaml:4:14: a tab is not allowed here; use blanks"


def test_a_tab_within_text_is_part_of_it() -> None:
    assert described("a\tb") == "a\tb"
    assert described("a \t\n    b") == "a b"
    assert described("a\n    \tb") == "a b"
    assert described("|\n    a\tb\t\n    \tc\n") == "a\tb\t\n\tc\n"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("|\n \n    text", "\ntext\n"),
        ("|\n    \n    text", "\ntext\n"),
        ("|\n \n  \n\n    text\n     more", "\n\n\ntext\n more\n"),
        (">\n \n    a\n    b", "\na b\n"),
        ("|-\n \n    text", "\ntext"),
        ("|\n \n", ""),
        ("|+\n \n", "\n\n"),
        ("|\n        \n", ""),
    ],
)
def test_empty_lines_may_come_before_the_text_of_a_block(block: str, text: str) -> None:
    assert described(block) == text


def test_an_empty_line_that_is_longer_than_the_indentation_is_reported_as_such() -> None:
    description = "name: relabel\n  description: |\n      \n    text\n"

    (problem,) = problems_of(MINIMAL.replace("name: relabel\n", description))

    assert problem.startswith("plan.yaml:7:5: the empty lines above have more blanks than this one")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("{?note: v}", {"?note": "v"}),
        ("{:note: v}", {":note": "v"}),
        ("{-note: v}", {"-note": "v"}),
        ("{a: ?b, c: :d}", {"a": "?b", "c": ":d"}),
        ("[?a, :b, -c]", ["?a", ":b", "-c"]),
        ("{? note: v}", {"note": "v"}),
        ('{"a":1, "b":[2], "c":{"d":3}}', {"a": 1, "b": [2], "c": {"d": 3}}),
        ("{a: x?y, b: 'http://x:1'}", {"a": "x?y", "b": "http://x:1"}),
    ],
)
def test_indicators_within_brackets_are_read_as_yaml_1_2_says(body: str, value: Any) -> None:
    patch = read(with_patch(f"{{merge: {{spec: {body}}}}}")).plan.patch

    assert patch.merge == {"spec": value}


@pytest.mark.parametrize("body", ["{a:}", "{a:, b: c}", "{a:[b]}", '{a:"b":c}', "[a:]"])
def test_a_colon_that_would_become_part_of_a_key_is_refused(body: str) -> None:
    (problem,) = problems_of(with_patch(f"{{merge: {{spec: {body}}}}}"))

    assert re.match(r"plan\.yaml:8:\d+: ", problem)


PLAN = {
    "apiVersion": "fleetpatch/v1",
    "kind": "Plan",
    "metadata": {"name": "relabel", "description": "😀 and 𐍈/é"},
    "targets": [{"kinds": ["jobs.batch"], "selector": "app=etl"}],
    "patch": {"annotations": {"note": "😀", "pair": "👩‍💻"}},
}


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_plan_that_json_writes_is_read(indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(PLAN, indent=indent, ensure_ascii=ascii_only)

    plan = read(text).plan

    assert plan.metadata.description == "😀 and 𐍈/é"
    assert plan.patch.annotations == {"note": "😀", "pair": "👩‍💻"}


@given(st.text(max_size=20), st.sampled_from([None, "\t"]))
@settings(deadline=None)
def test_any_text_that_json_writes_is_read_as_it_was(text: str, indent: str | None) -> None:
    plan = {**PLAN, "patch": {"merge": {"spec": {"text": text, "list": [text]}}}}

    patch = read(json.dumps(plan, indent=indent)).plan.patch

    assert patch.merge == {"spec": {"text": text, "list": [text]}}


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00", r"\ude00\ud83d", r"\ud83d\ud83d\ude00"])
def test_a_lone_surrogate_is_a_placed_problem(half: str) -> None:
    (problem,) = problems_of(with_patch(f'{{annotations: {{a: "{half}"}}}}'))

    assert problem.startswith("plan.yaml:8:26: the text contains a lone surrogate")


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029"], ids=ascii)
@pytest.mark.parametrize(
    ("text", "place"),
    [
        (with_patch('{annotations: {a: "xCHARy"}}'), "8:28"),
        (with_patch("{annotations: {a: xCHARy}}"), "8:27"),
        (MINIMAL + "# a commentCHARpace: {rate: 1/s}\n", "10:12"),
    ],
)
def test_a_character_that_ends_a_line_for_some_readers_only_is_refused(
    char: str, text: str, place: str
) -> None:
    (problem,) = problems_of(text.replace("CHAR", char))

    assert problem == (
        f"plan.yaml:{place}: a line ends here for some readers of YAML; write"
        f' "\\u{ord(char):04x}" in double quotes'
    )


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029"], ids=ascii)
def test_written_as_an_escape_it_is_text(char: str) -> None:
    patch = read(with_patch(f'{{annotations: {{a: "x\\u{ord(char):04x}y"}}}}')).plan.patch

    assert patch.annotations == {"a": f"x{char}y"}


DEEP = [
    *("[" * 500, "[" * 20_000, "{a: " * 500, "{a: " * 20_000, "[{" * 500, "{? " * 500),
    *("- " * 500, "- " * 20_000, "? " * 500, ": " * 500, "&a [" * 500, "!!seq [" * 500),
    "\n".join(" " * depth + "a:" for depth in range(1000)),
]


@pytest.mark.parametrize("text", DEEP, ids=lambda text: f"{text[:6]!r} {len(text)}")
def test_any_depth_is_a_placed_problem(text: str) -> None:
    for document in (text, f"patch: {text}", f"{MINIMAL}x:\n{text}"):
        problems = problems_of(document)

        assert all(re.match(r"plan\.yaml:\d+:\d+: ", problem) for problem in problems)


@pytest.mark.parametrize(
    "body",
    [
        '"' + "x" * 300_000 + '"',
        "9" * 300_000,
        "0" * 300_000,
        "07" * 5000,
        "0x" + "f" * 300_000,
        "1_" * 100_000,
        "a" * 2000 + ": b",
        "? " + "a" * 2000,
        "1" * 5000 + ":30",
    ],
    ids=lambda body: body[:9],
)
def test_any_size_is_read_or_a_placed_problem(body: str) -> None:
    problems: tuple[object, ...] = ()
    try:
        read(with_patch(f"{{merge: {{spec: {{a: {body}}}}}}}"))
    except PlanError as error:
        problems = error.problems

    assert all(re.match(r"p:\d+:\d+: .{1,400}$", str(problem)) for problem in problems)


def test_very_many_keys_are_a_placed_problem() -> None:
    many = ", ".join(f"k{number}" for number in range(20_000))

    assert problems_of(f"a: {{{many}}}")[0].startswith("plan.yaml:1:1: ")


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_with_placed_problems(data: bytes) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(data, "p")

    assert all(re.match(r"p:\d+:\d+: \S", str(problem)) for problem in caught.value.problems)


LINES = st.sampled_from(
    [
        *("%YAML 1.3", "%YAML", "---", "...", "- ", "a:", "? b", ": c", "  d: |", " \t", "\t- x"),
        *("{?a: b}", "[a:,", "]}", "&a [*a]", "*a", "!!map {", "<<: *a", "'", '"\\ud83d"', "# x"),
        *("patch:", "  labels: {a: }", "  merge:", "    spec: {y: 0400}", "kind: Plan", "\ufeff"),
        *("    - >\n \n   x", "a: 1:30", "targets: [{kinds: [jobs]}]", "x: .inf", "\x00", "é: yes"),
    ]
)


@given(st.lists(LINES, max_size=12))
@settings(max_examples=400, deadline=None)
def test_any_lines_are_refused_with_placed_problems(lines: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        read("\n".join(lines))

    assert all(re.match(r"p:\d+:\d+: \S", str(problem)) for problem in caught.value.problems)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(json.dumps(PLAN)))), VALUES)
@settings(max_examples=200, deadline=None)
def test_any_value_in_a_section_is_read_or_a_placed_problem(section: str, value: Any) -> None:
    problems: tuple[object, ...] = ()
    try:
        read(json.dumps({**PLAN, section: value}))
    except PlanError as error:
        problems = error.problems

    assert all(re.match(r"p:\d+:\d+: \S", str(problem)) for problem in problems)


@given(st.integers(0, len(FULL) - 1), st.sampled_from(["\t", "\t\n", " \t", "?", ":", "\n \n"]))
@settings(max_examples=150, deadline=None)
def test_one_odd_insertion_is_accepted_or_a_placed_problem(at: int, text: str) -> None:
    problems: tuple[object, ...] = ()
    try:
        read(FULL[:at] + text + FULL[at:])
    except PlanError as error:
        problems = error.problems

    assert all(re.match(r"p:\d+:\d+: \S", str(problem)) for problem in problems)
