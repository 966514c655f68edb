"""Mistakes in expressions, found when the plan is loaded, each with its place and what to do.

Covered: syntax, names, functions, types, variables, tables, templates in blocks of text, the extra.
Left out: what only an object shows (tests/e2e/test_expressions.py).
"""

from pathlib import Path

import pytest

from fleetpatch.cel import runtime
from fleetpatch.errors import PlanError
from fleetpatch.model.plan.load import load_plan, parse_plan

HEAD = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {name: demo}
targets:
"""
WHERE = (
    f"{HEAD}  - {{kinds: [jobs.batch], selector: app, where: %s}}\npatch: {{labels: {{a: b}}}}\n"
)
LABEL = f"{HEAD}  - {{kinds: [jobs.batch], selector: app}}\npatch: {{labels: {{a: {{cel: %s}}}}}}\n"
BODY = (
    f"{HEAD}  - {{kinds: [jobs.batch], selector: app}}\npatch: {{merge: {{spec: {{cel: %s}}}}}}\n"
)
BLOCK = f"""\
{HEAD}  - kinds: [jobs.batch]
    where: %s
patch: {{labels: {{a: b}}}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(PlanError) as refused:
        parse_plan(text, "plan.yaml")
    return str(refused.value).split("\n")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (WHERE % "'1 +«'", "the expression ends too early; complete it"),
        (WHERE % "'a «b'", "'b' is not allowed here"),
        (WHERE % "'(1«'", "')' is missing"),
        (WHERE % "'object.kind «= \"a\"'", "'=' is not an operator of CEL; write '=='"),
        (WHERE % "'object.a «and true'", "'and' is not an operator of CEL; write '&&'"),
        (WHERE % "«'\"abc'", "the quotes are not closed"),
        (WHERE % "'object.kind == «$x'", "'$' is not a part of CEL; remove it"),
        (WHERE % "«'obj.kind == \"a\"'", "there is no variable obj; did you mean object?"),
        (WHERE % "'true || «params.x == 1'", "there is no variable params; there are no params"),
        (WHERE % "'true || «oldObject.x == 1'", "there is no older object; see object"),
        (WHERE % "'object.kind.«lower() == \"\"'", "there is no function lower"),
        (WHERE % "'object.kind.«splt(\",\") == []'", "did you mean split?"),
        (WHERE % "'true || «isIP(object.kind)'", "there is no function isIP; use matches"),
        (WHERE % "'object.«all(k, v, v == 1)'", "all takes one variable, of a map the key"),
        (WHERE % "'1 «+ \"a\" == 2'", "+ does not take these types: (int, string)"),
        (WHERE % "'now «- 3 == now'", "- does not take these types: (timestamp, int)"),
        (WHERE % "«object.spec.suspend", "compare it, as in '... == true'"),
        (WHERE % "«object.metadata.?labels", "yields an optional value, and must be true or false"),
        (WHERE % "«'\"a\"'", "yields text, and must be true or false"),
        (WHERE % "«''", "is empty; add text, or remove it"),
        (WHERE % "«5", "must be text, and 5 is a number"),
        (WHERE % f"«'{'(' * 40}true{')' * 40}'", "is nested too deeply"),
        (WHERE % f"«'1 {'+ 1 ' * 60} == 1'", "has too many operators; split it"),
        (WHERE % f"«'{'x' * 100_001}'", "has more than 100000 characters; split it"),
        (WHERE % "'[1].exists(«object, true)'", "object has a meaning already"),
        (LABEL % "«now", "yields a timestamp, and must yield text; write string(...)"),
        (LABEL % "«'1'", "yields a whole number, and must yield text"),
        (LABEL % "«'[1]'", "yields a list, and must yield text"),
        (LABEL % "«'{\"a\": 1}'", "yields a map, and must yield text"),
        (LABEL % "«'optional.of(1)'", "yields a whole number, and must yield text"),
        (BODY % "«'[object.?a]'", "a list with an optional value in it; write [?x] for [x]"),
        (BODY % "«'{\"a\": object.?a}'", "a map with an optional value in it; write [?x]"),
        (BODY % "«now", "yields a timestamp, which JSON does not have"),
        (BODY % "«'b\"a\"'", "yields bytes, which JSON does not have"),
        (LABEL % "'\"\" + «variables.x'", "there is no variable x; the plan has none"),
        (LABEL % "«variables.x" + "variables: {y: object.kind}", "the plan has y"),
        (LABEL % "variables.y" + "variables: {y: 1 +«}", "the expression ends too early"),
        (
            LABEL % "variables.y" + "variables: {y: «variables.z, z: variables.y}",
            "variables.y and variables.z use each other in a circle; break it",
        ),
        (LABEL % "variables.y" + "variables: {y: «variables.y}", "in a circle"),
        (LABEL % '\'"" + «tables.costs["a"].b\'', "there is no table costs; the plan has none"),
        (BLOCK % ">-\n      object.kind ==\n      «foo", "there is no variable foo"),
        (BLOCK % "|\n      object.kind ==\n\n      «foo", "there is no variable foo"),
        (BLOCK % ">2-\n      object.kind == «foo", "there is no variable foo"),
        (BLOCK % "object.kind\n      == «foo", "there is no variable foo"),
        (BLOCK % '"object.kind == \\"a\\" + «foo"', "there is no variable foo"),
        (BLOCK % '"object.kind\\n == \\\n      «foo"', "there is no variable foo"),
        (BLOCK % "'object.kind == ''a'' + «foo'", "there is no variable foo"),
    ],
)
def test_a_mistake_in_an_expression_has_its_place(text: str, what: str) -> None:
    before = text.partition("«")[0]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")

    found = problems(text.replace("«", ""))

    assert found[0].startswith(f"plan.yaml:{line}:{column}: "), found
    assert what in found[0]


TABLES = "tables: {costs: {file: costs.csv, key: team}, teams: {file: costs.csv, key: team}}\n"


@pytest.mark.parametrize(
    ("cel", "what"),
    [
        ('\'"" + «tables.cots["a"].centre\'', "no table cots; the plan has costs, teams"),
        ("'tables.costs[\"a\"].«center'", "the table costs has no column center; did you mean"),
        ('\'tables.costs[?"a"].?«owner.orValue("")\'', "no column owner; it has team, centre"),
        ("'tables.«costs'", "the rows of a table are read by a key: tables.costs[KEY]"),
        ("'string(size(tables.«costs))'", "the rows of a table are read by a key"),
        ("'tables.costs«[tables.teams].centre'", "[] does not take these types: (map"),
    ],
)
def test_a_mistake_in_the_use_of_a_table_has_its_place(tmp_path: Path, cel: str, what: str) -> None:
    (tmp_path / "costs.csv").write_text("team,centre\na,1\n")
    file = tmp_path / "plan.yaml"
    text = LABEL % cel + TABLES
    file.write_text(text.replace("«", ""))
    column = text.splitlines()[5].index("«") + 1

    with pytest.raises(PlanError) as refused:
        load_plan(file)

    assert f"plan.yaml:6:{column}: patch.labels.a.cel: " in str(refused.value)
    assert what in str(refused.value)


def test_a_plan_says_how_to_install_what_evaluates_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "is_installed", lambda: False)

    (problem,) = problems(LABEL % "object.kind")

    assert problem.startswith("plan.yaml:6:")
    assert "pip install 'fleetpatch[cel]'" in problem


def test_a_plan_without_expressions_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "is_installed", lambda: False)

    text = f"{HEAD}  - {{kinds: [jobs.batch], selector: app}}\npatch: {{labels: {{a: b}}}}\n"
    assert parse_plan(text, "plan.yaml").plan.name == "demo"
