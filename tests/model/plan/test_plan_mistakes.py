"""Every kind of mistake in a plan file: its place and message.

Each row changes the minimal plan by one edit. Left out: patches (test_patch_mistakes,
test_provider_checks), clusters and their log-in (test_fleet_mistakes), and mistakes that only a
cluster can find (a kind that is not served, a selector that matches nothing).
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import PlanError, UsageError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.load import load_plan, parse_plan
from tests.model.plans import FULL, MINIMAL, problems_of
from tests.plans import plan_from

MORE = MINIMAL.count("\n") + 1
"""The line of what is added after the minimal plan."""

DEEP = "[" * 60 + "]" * 60
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]\n"
    for last, this in zip("abcdef", "bcdefg", strict=True)
)


def edit(old: str, new: str) -> str:
    assert MINIMAL.count(old) == 1
    return MINIMAL.replace(old, new)


def add(section: str) -> str:
    return MINIMAL + section + "\n"


TEXT: list[tuple[str, str, str]] = [
    ("", "1:1", "the file contains no plan"),
    ("# only a comment\n", "1:1", "the file contains no plan"),
    ("- a\n- b\n", "1:1", "is a mapping of keys"),
    ("just text", "1:1", "is a mapping of keys"),
    ("a: 1\n\tb: 2\n", "2:1", "a tab cannot indent"),
    (edit("relabel", "relabel: x"), "4:16", "a ':' is not allowed here"),
    (edit("relabel", "'relabel"), "4:9", "the quotes are not closed"),
    (edit("relabel", r'"re\label"'), "4:13", "is not a valid escape in double quotes"),
    (edit("[jobs.batch]", "[jobs.batch"), "7:13", "is not closed"),
    (edit("  name", "   x: y\n  name"), "5:3", "indentation"),
    (edit("relabel", "@relabel"), "4:9", "needs quotes around it"),
    (edit("selector: app=etl", "namespaces: [*]"), "7:19", "needs quotes around it"),
    (edit("app=etl", "*nowhere"), "7:15", "alias without an anchor before it"),
    (add("pace: &p {rate: *p}"), f"{MORE}:17", "within the value of its own anchor"),
    (edit("app=etl", "!not-me"), "7:15", "is a YAML tag"),
    (edit("app=etl", "!!binary aGk="), "7:15", "is a YAML tag"),
    (edit("app=etl", '"\\uD800"'), "7:15", "lone surrogate"),
    (edit("relabel", "a\x07b"), "4:10", "control character U+0007"),
    (edit("kind: Plan", "kind: Plan\nkind: Plan"), "3:1", "is repeated, first in line 2"),
    (edit("team: ml", "team: ml, team: ai"), "9:22", "is repeated"),
    (edit("team: ml", "4711: ml"), "9:12", 'put this one in quotes: "4711"'),
    (edit("team: ml", "team: ml, [a]: ml"), "9:22", "cannot be a key"),
    (edit("  name: relabel", "  name: relabel\n  <<: {a: b}"), "5:3", "merge keys"),
    (edit("team: ml", "team: .inf"), "9:18", "not a valid JSON number"),
    (MINIMAL + "---\n" + MINIMAL, f"{MORE}:1", "a second document"),
    ("%YAML 1.1\n---\n" + MINIMAL, "2:1", "YAML 1.2"),
    (add(f"x: {DEEP}"), "1:1", "more than 50 deep"),
    (BOMB, "1:1", "more than 100000 values"),
    (add("# " + "x" * 1024 * 1024), "1:1", "more than 1048576 bytes"),
]

SHAPE: list[tuple[str, str, str]] = [
    (edit("fleetpatch/v1", "fleetpatch/v2"), "1:13", "must be 'fleetpatch/v1'"),
    (edit("apiVersion: fleetpatch/v1\n", ""), "1:1", "apiVersion: is missing"),
    (edit("kind: Plan", "kind: Plane"), "2:7", "must be 'Plan'"),
    (edit("metadata:\n  name: relabel\n", ""), "1:1", "metadata: is missing"),
    (edit("  name: relabel", "  description: x"), "3:1", "metadata.name: is missing"),
    (edit("  name: relabel", "  name:"), "4:3", "has no value"),
    (edit("relabel", "Relabel_it"), "4:9", "is not a valid DNS label"),
    (edit("metadata:\n  name: relabel", "metadata: relabel"), "3:11", "must be a mapping"),
    (edit("selector", "selectr"), "7:5", "did you mean selector?"),
    (add("zzz: 1"), f"{MORE}:1", "known here: apiVersion, fleet"),
    (add("pace: {max: 1}"), f"{MORE}:8", "known here: adaptive, burst, concurrency, rate"),
    (edit("    selector", "  - selector"), "7:5", "targets[1].kinds: is missing"),
    (edit("- kinds: [jobs.batch]\n    selector: app=etl", "[]"), "6:3", "targets: is empty"),
    (edit("[jobs.batch]", "jobs.batch"), "6:12", "must be a list, not text"),
    (edit("[jobs.batch]", "[]"), "6:12", "is empty"),
    (edit("[jobs.batch]", "[Jobs]"), "6:13", "is not a valid kind"),
    (edit("[jobs.batch]", '["jobs,tfjobs"]'), "6:13", "one name for each entry"),
    (edit("[jobs.batch]", "[jobs.batch, 7]"), "6:25", 'put it in quotes: "7"'),
    (edit("[jobs.batch]", "[{}]"), "6:13", "must be text, not a mapping"),
    (edit("selector: app=etl", 'namespaces: ["Team-*"]'), "7:18", "cannot match a namespace"),
    (edit("selector: app=etl", 'namespaces: ["a[b"]'), "7:18", "cannot match a namespace"),
    (edit("selector: app=etl", 'namespaces: ["!"]'), "7:18", "cannot match a namespace"),
    (edit("app=etl", "app gt 5"), "7:19", "write 'key>5'"),
    (edit("app=etl", '"app=etl, tier=a b"'), "7:32", "expected ',' or the end"),
    (edit("app=etl", ">-\n      app gt 5"), "8:11", "write 'key>5'"),
    (edit("app=etl", '"\\x61 gt 5"'), "7:21", "column 3 of the selector"),
    (edit("app=etl", "5"), "7:15", "must be text such as"),
    (edit("selector: app=etl", "selector:"), "7:5", "has no value"),
    (edit("selector: app=etl", "fieldSelector: a in (b)"), "7:20", "is not a comparison"),
    (edit("team: ml", "team: 4711"), "9:18", 'put it in quotes: "4711"'),
    (edit("team: ml", "team: 1.10"), "9:18", 'put it in quotes: "1.10"'),
    (edit("team: ml", "team: true"), "9:18", 'true is a truth value; put it in quotes: "true"'),
    (edit("team: ml", "team: a b"), "9:18", "'a-b' is valid"),
    (edit("team: ml", "te am: ml"), "9:12", "is not a valid label key"),
    (edit("{team: ml}", "{}"), "9:11", "is empty"),
    (add("  annotations: {a b: c}"), f"{MORE}:17", "is not a valid annotation key"),
    (add("  annotations: {a: 5}"), f"{MORE}:20", 'put it in quotes: "5"'),
    (add("  renameLabels: {a: b c}"), f"{MORE}:21", "'b-c' is valid"),
    (add("guards: {onDrift: skp}"), f"{MORE}:19", "did you mean skip?"),
    (add("guards: {onExisting: keep}"), f"{MORE}:22", "'overwrite' or 'skip'"),
    (edit("app=etl", "app=etl\n    names: [a/b]"), "8:13", "is not a valid name of an object"),
    (edit("app=etl", "app=etl\n    names: [a, a]"), "8:16", "'a' is listed twice"),
    (add("guards: {conflicts: both}"), f"{MORE}:21", "'version' or 'none'"),
    (add("guards: {maxTargets: 0}"), f"{MORE}:22", "must be at least 1"),
    (add("guards: {maxTargets: }"), f"{MORE}:10", "has no value"),
    (add("guards: {allowKeys: [a b]}"), f"{MORE}:22", "is not a valid annotation key"),
    (add("pace: {rate: 100}"), f"{MORE}:14", "must be text such as 100/s"),
    (add("pace: {rate: fast}"), f"{MORE}:14", "is not a valid rate"),
    (add("pace: {rate: 0/s}"), f"{MORE}:14", "slower than one an hour"),
    (add('pace: {concurrency: "32"}'), f"{MORE}:21", "must be a whole number, not text"),
    (add("pace: {concurrency: 5000}"), f"{MORE}:21", "must be at most 1000"),
    (add("retry: {attempts: 1.5}"), f"{MORE}:19", "must be a whole number, not a fraction"),
    (add("retry: {maxDelay: 30}"), f"{MORE}:19", "must be text such as 30s"),
    (add("retry: {maxDelay: 0s}"), f"{MORE}:19", "must be more than 0"),
    (add("retry: {statuses: [404]}"), f"{MORE}:20", "404 cannot be retried"),
    (add("retry: {statuses: [200]}"), f"{MORE}:20", "200 cannot be retried"),
    (add("retry: {budget: 110%}"), f"{MORE}:17", "at most 100%"),
    (add("retry:"), f"{MORE}:1", "has no value"),
    (add("limits: {maxFailures: -1}"), f"{MORE}:23", "must be a count such as 10"),
    (add("limits: {maxFailures: few}"), f"{MORE}:23", "is not a valid percentage"),
    (add("limits: {deadline: soon}"), f"{MORE}:20", "is not a valid duration"),
    (add("waves: {pause: 5m}"), f"{MORE}:1", "waves.sizes: is missing"),
    (add("waves: {sizes: []}"), f"{MORE}:16", "is empty"),
    (add("window: {lasts: 1h, opens: 0 2 * *}"), f"{MORE}:28", "has 4 fields"),
    (add("window: {lasts: 1h, opens: 0 25 * * *}"), f"{MORE}:28", "'25' is not a valid hour"),
    (add("window: {lasts: 1h, opens: 0 2 * * FUN}"), f"{MORE}:28", "is not a valid day of week"),
    (
        add("window: {lasts: 1h, opens: 0 2 * * 1, timezone: Asia/Nowhere}"),
        f"{MORE}:49",
        "is not a valid time zone",
    ),
    (add("lock: ops/relabel"), f"{MORE}:7", "must be a mapping"),
    (add("lock: {}"), f"{MORE}:1", "lock.lease: is missing"),
    (add("lock:"), f"{MORE}:1", "has no value"),
    (add("lock: {lease: relabel}"), f"{MORE}:15", "write it as namespace/name"),
    (add("lock: {lease: ops/}"), f"{MORE}:15", "write it as namespace/name"),
    (add("lock: {lease: Ops/relabel}"), f"{MORE}:15", "'Ops' is not a valid DNS label"),
    (add("lock: {lease: a.b/relabel}"), f"{MORE}:15", "'a.b' is not a valid DNS label"),
    (add("lock: {lease: ops/a/b}"), f"{MORE}:15", "'a/b' is not a valid DNS subdomain"),
    (add("lock: {lease: ops/a_b}"), f"{MORE}:15", "'a_b' is not a valid DNS subdomain"),
    (add("lock: {lease: ops/a, durtion: 5s}"), f"{MORE}:22", "did you mean duration?"),
    (add("lock: {lease: ops/a, duration: 30}"), f"{MORE}:32", "must be text such as 30s"),
    (add("lock: {lease: ops/a, duration: 4s}"), f"{MORE}:32", "at least 5s and at most 600s"),
    (add("lock: {lease: ops/a, duration: 1h}"), f"{MORE}:32", "at least 5s and at most 600s"),
    (add("lock: {lease: ops/a, duration: 5.5s}"), f"{MORE}:32", "must be whole seconds"),
    (add("fleet: []"), f"{MORE}:8", "fleet: is empty"),
    (add("fleet: [{name: A}]"), f"{MORE}:16", "is not a valid DNS label"),
    (add("fleet: [{name: a, provider: aws}]"), f"{MORE}:29", "'kubernetes' or 'cci'"),
    (add("fleet: [{name: a, retry: {}}]"), f"{MORE}:19", "statuses: is missing"),
    (add("fleet: [{name: a, retry: {statuses: [404]}}]"), f"{MORE}:38", "cannot be retried"),
    (add("  force: 1"), f"{MORE}:10", "must be true or false, not a number"),
    (add("  pretty:"), f"{MORE}:3", "has no value"),
    (add("  fieldManager: 5"), f"{MORE}:17", 'put it in quotes: "5"'),
    (add('  fieldManager: ""'), f"{MORE}:17", "is empty"),
    (add("  fieldManager: " + "x" * 129), f"{MORE}:17", "takes 129 bytes, and at most 128"),
    (add("  fieldManager: " + "ü" * 65), f"{MORE}:17", "takes 130 bytes, and at most 128"),
    (add('  fieldManager: "a\\tb"'), f"{MORE}:17", "only printable characters"),
    (add("  copyLabels: {a: b c}"), f"{MORE}:19", "'b-c' is valid"),
    (add("  copyLabels: {}"), f"{MORE}:15", "is empty"),
    (add("guards: {onClash: skp}"), f"{MORE}:19", "did you mean skip?"),
]

TOGETHER: list[tuple[str, str, str]] = [
    (edit("[jobs.batch]", "[tfjobs, jobs, tfjobs]"), "6:27", "is listed twice"),
    (edit("selector: app=etl", "namespaces: [a, a]"), "7:21", "is listed twice"),
    (add("retry: {statuses: [429, 429]}"), f"{MORE}:25", "is listed twice"),
    (
        add("fleet: [{name: a, retry: {statuses: [429, 429]}}]"),
        f"{MORE}:43",
        "fleet[0].retry.statuses[1]: 429 is listed twice",
    ),
    (add("pace: {burst: 5}"), f"{MORE}:8", "has no effect without a rate"),
    (add("limits: {}"), f"{MORE}:9", "contains no limit"),
    (
        add("fleet: [{name: a, context: x}, {name: a, context: y}]"),
        f"{MORE}:39",
        "'a' is fleet[0] already",
    ),
    (
        add("fleet: [{name: a, context: x}, {name: b, context: x}]"),
        f"{MORE}:51",
        "'x' is fleet[0] already",
    ),
]


@pytest.mark.parametrize(
    ("text", "place", "words"), [*TEXT, *SHAPE, *TOGETHER], ids=lambda value: str(value)[-40:]
)
def test_a_mistake_is_placed_and_explained(text: str, place: str, words: str) -> None:
    (problem,) = problems_of(text)

    assert problem.startswith(f"plan.yaml:{place}: ")
    assert words in problem


@pytest.mark.parametrize("text", [text for text, *_ in (*TEXT, *SHAPE, *TOGETHER)])
def test_a_problem_is_one_line_without_jargon(text: str) -> None:
    for problem in problems_of(text):
        assert "\n" not in problem
        assert len(problem) < 400
        assert not re.search("ruamel|dict|tuple|Input should|Value error|http:", problem)


def test_all_problems_are_reported_at_once_in_the_files_order() -> None:
    text = """\
metadata: {name: A, name: b}
targets: [{kinds: jobs, selector: a b}, 5]
patch: {labels: {a: 1, job-name: x}, renameLabels: {a: a}}
pace: {burst: 1, speed: 2}
waves: {sizes: [1]}
"""

    problems = problems_of(text)

    places = [tuple(map(int, problem.split(":")[1:3])) for problem in problems]
    assert places == sorted(places)
    assert len(places) == 14


def test_bytes_that_are_not_utf_8_are_placed() -> None:
    with pytest.raises(PlanError, match=r"plan\.yaml:2:4: the file is not UTF-8 here"):
        parse_plan("a: b\nü: ".encode() + b"\xff", "plan.yaml")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "absent.yaml", "no such plan file"),
        (lambda folder: folder, "is a directory"),
        (lambda folder: folder / "a\0b", "cannot be read"),
        (lambda folder: folder / ("x" * 300), "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load_plan(make(tmp_path))

    assert not isinstance(caught.value, PlanError)
    assert "\n" not in str(caught.value)


def test_values_from_the_command_line_are_checked_alike() -> None:
    with pytest.raises(PlanError) as caught:
        plan_from(
            {
                "metadata": {"name": "label"},
                "targets": [{"kinds": ["jobs"], "selector": "app=etl"}],
                "patch": {"labels": {"job-name": "x", "team": "a b"}},
            }
        )

    labels, name = map(str, caught.value.problems)
    assert labels.startswith("command line: patch.labels.job-name: 'job-name' belongs to")
    assert name.startswith("command line: patch.labels.team: 'a b' is not a valid label value")


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (
            {"annotations": {"note": "x\udcffy"}},
            "patch.annotations.note: contains bytes that are not",
        ),
        (
            {"merge": {"spec": {"a": ["\ud83d"]}}},
            "patch.merge.spec.a[0]: contains bytes that are not",
        ),
        ({"merge": {"spec": {"\udcff": 1}}}, 'patch.merge.spec."\\udcff": is not UTF-8'),
        (
            {"merge": {"spec": {"a": float("nan")}}},
            "patch.merge.spec.a: is not a valid JSON number",
        ),
        ({"json": [{"op": "add", "path": "/spec/a", "value": float("-inf")}]}, "value: is not a"),
    ],
)
def test_values_that_a_request_cannot_contain_are_refused(
    patch: dict[str, Json], words: str
) -> None:
    with pytest.raises(PlanError) as caught:
        plan_from(
            {
                "metadata": {"name": "x"},
                "targets": [{"kinds": ["jobs.batch"], "selector": "app=etl"}],
                "patch": patch,
            }
        )

    (problem,) = map(str, caught.value.problems)
    assert words in problem


@given(st.text(st.sampled_from("\n \t:-[]{}&*!|>'\"%@,?#~abc01") | st.characters(), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_at_all_is_refused_with_placed_problems(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")

    with pytest.raises(PlanError) as caught:
        parse_plan(data, "p")

    assert all(re.match(r"p:\d+:\d+: ", str(problem)) for problem in caught.value.problems)


@given(
    st.integers(0, len(FULL) - 1), st.sampled_from(["", "\t", "x", "5", "[", "}", ":", "\n", "!"])
)
@settings(max_examples=150, deadline=None)
def test_one_wrong_character_is_accepted_or_a_placed_problem(at: int, char: str) -> None:
    problems: tuple[object, ...] = ()

    try:
        parse_plan(FULL[:at] + char + FULL[at + 1 :], "p")
    except PlanError as error:
        problems = error.problems

    assert all(re.match(r"p:\d+:\d+: ", str(problem)) for problem in problems)
