"""Mistakes in expressions, tables and lists: exit 2, each with its place, and nothing sent.

Each row is a part of a plan, of a table `costs.csv` and of a list `ticket.txt`, with the place and
some words of the only problem. Further mistakes in the files: tests/model/plan.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import pytest

from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool

HEAD: Final = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {name: mistaken}
targets:
  - kinds: [jobs.batch]
    selector: app=etl
"""
PATCH: Final = "patch:\n  labels: {team: red}\n"
"""Its value is in line 8, if nothing is between it and HEAD."""
TABLES: Final = "tables: {costs: {file: costs.csv, key: team}}\n"
LIST: Final = HEAD.replace("    selector: app=etl\n", "    objects: {file: ticket.txt}\n")
COSTS: Final = "team,centre\netl,4711\n"


class Row(NamedTuple):
    """A mistake: the plan and its files, and the place (`plan.yaml:8:24`) and words of it."""

    plan: str
    place: str
    words: str
    files: Mapping[str, str] = {"costs.csv": COSTS, "ticket.txt": "team-a/etl-7\n"}


def where(text: str) -> str:
    """Return a plan whose block has a `where` in line 7."""
    return f"{HEAD}    where: {text}\n{PATCH}"


def value(text: str, more: str = "") -> str:
    """Return a plan with the value of a label in line 8, from column 18 on."""
    return f"{HEAD}patch:\n  labels: {{team: {text}}}\n{more}"


def costs(content: str) -> dict[str, str]:
    return {"costs.csv": content}


def ticket(content: str) -> dict[str, str]:
    return {"ticket.txt": content}


CEL: Final = "{cel: object.metadata.name}"
OF_TABLE: Final = TABLES + HEAD + PATCH
OF_LIST: Final = LIST + PATCH


def labels(text: str) -> str:
    """Return a plan with these labels in line 8, from column 11 on."""
    return f"{HEAD}patch:\n  labels: {text}\n"


EXPRESSIONS: Final = [
    Row(where("object.metadata.name =="), "plan.yaml:7:35", "ends too early"),
    Row(where("object.metadata.name"), "plan.yaml:7:12", "true or false"),
    Row(where("1 + 1"), "plan.yaml:7:12", "true or false"),
    Row(where("objekt.metadata.name == ''"), "plan.yaml:7:12", "objekt"),
    Row(where("metadata.name == ''"), "plan.yaml:7:12", "metadata"),
    Row(where("size(object.metadata.name, 1) == 2"), "plan.yaml:7:", "size"),
    Row(where("object.metadata.name.startswith('a')"), "plan.yaml:7:", "startswith"),
    Row(where("object.metadata.name == 'a' and true"), "plan.yaml:7:", "and"),
    Row(where("not (object.metadata.name == 'a')"), "plan.yaml:7:12", "not"),
    Row(where("object.metadata.name == 'a' 'b'"), "plan.yaml:7:40", "is not allowed here"),
    Row(where("now - '72h' > now"), "plan.yaml:7:", "-"),
    Row(
        where(">-\n      object.metadata.name == '' &&\n      a"), "plan.yaml:9:7", "no variable a"
    ),
    Row(where("''"), "plan.yaml:7:12", "is empty"),
    Row(where("[a]"), "plan.yaml:7:12", "must be text"),
    Row(where("~"), "plan.yaml:7:12", "has no value"),
    Row(value("{cel: 1}"), "plan.yaml:8:", "text"),
    Row(value("{cel: ''}"), "plan.yaml:8:24", "ends too early"),
    Row(value("{cell: object.metadata.name}"), "plan.yaml:8:18", "text"),
    Row(value("{cel: '1 + 1'}"), "plan.yaml:8:", "string("),
    Row(value("{cel: 'true'}"), "plan.yaml:8:", "string("),
    Row(value("{cel: variables.team}"), "plan.yaml:8:", "team"),
    Row(value("{cel: 'tables.costs.etl'}"), "plan.yaml:8:", "costs"),
    Row(value("'{{ .Values.team }}'"), "plan.yaml:8:18", "template of another tool"),
    Row(value("{cel: 'variables.a'}", "variables: {a: variables.a}\n"), "plan.yaml:9:", "circle"),
    Row(value(CEL, "variables: {a-b: '1'}\n"), "plan.yaml:9:13", "not a valid name"),
    Row(value(CEL, "variables: {a: 'object.'}\n"), "plan.yaml:9:", "is not allowed here"),
    Row(value(CEL, "guards: {onError: ignore}\n"), "plan.yaml:9:19", "must be"),
    Row(value("red", "variables: {a: '1'}\n"), "plan.yaml:9:1", "is read by no expression"),
]
OF_TABLES: Final = [
    Row(OF_TABLE, "costs.csv:1:1", "the file is empty", costs("")),
    Row(OF_TABLE, "costs.csv:1:1", "the table has no row", costs("team,centre\n")),
    Row(OF_TABLE, "costs.csv:1:1", "no column 'team'", costs("dept,centre\na,b\n")),
    Row(OF_TABLE, "costs.csv:1:1", "semicolons", costs("team;centre\na;b\n")),
    Row(OF_TABLE, "costs.csv:3:1", "repeated, first in line 2", costs(COSTS + "etl,1\n")),
    Row(OF_TABLE, "costs.csv:3:1", "the key is empty", costs(COSTS + ",1\n")),
    Row(OF_TABLE, "costs.csv:3:1", "1 values, and there are 2", costs(COSTS + "a\n")),
    Row(OF_TABLE, "costs.csv:3:1", "the quotes are not closed", costs(COSTS + 'a,"b\n')),
    Row(OF_TABLE.replace(".csv", ".txt"), "plan.yaml:1:24", "must end with .csv"),
    Row(OF_TABLE.replace("costs.csv", "no.csv"), "plan.yaml:1:24", "there is no file no.csv"),
    Row(OF_TABLE.replace("costs:", "in:"), "plan.yaml:1:10", "the expression language"),
    Row(TABLES + value("{cel: 'tables.costs[\"a\"].center'}"), "plan.yaml:9:", "center"),
]
OF_LISTS: Final = [
    Row(OF_LIST, "ticket.txt:1:1", "the list has no object", ticket("# none\n")),
    Row(OF_LIST, "ticket.txt:2:1", "'etl-7' is not an object", ticket("a/b\netl-7\n")),
    Row(OF_LIST, "ticket.txt:1:1", "is not a valid DNS label", ticket("job.batch/a\n")),
    Row(OF_LIST, "ticket.txt:1:1", "is not an object", ticket("namespace,name\n")),
    Row(LIST + "    names: [a]\n" + PATCH, "plan.yaml:6:5", "cannot be combined with names"),
    Row(OF_LIST.replace("ticket", "no"), "plan.yaml:6:21", "there is no file no.txt"),
    Row(LIST + "    dependents: [pods, pods]\n" + PATCH, "plan.yaml:7:24", "is listed twice"),
    Row(labels('{"old/*": gone}'), "plan.yaml:8:12", "a pattern only removes keys"),
    Row(labels('{"app*": null}'), "plan.yaml:8:12", "which belongs to "),
    Row(
        HEAD + "    namespaces: [!team-a]\n" + PATCH, "plan.yaml:7:18", "text that begins with '!'"
    ),
    Row(HEAD + "    namespaces: [a, *]\n" + PATCH, "plan.yaml:7:22", "needs quotes around it"),
]
ROWS: Final = [*EXPRESSIONS, *OF_TABLES, *OF_LISTS]


def test_there_are_forty_of_them() -> None:
    assert len(ROWS) >= 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row.place + row.words))
def test_a_mistake_has_its_place_and_nothing_is_sent(
    call: Caller, tool: Tool, server: SandboxServer, row: Row
) -> None:
    before = server.counters()["requests"], server.sent()
    tool.write("plan.yaml", row.plan)
    for name, content in row.files.items():
        tool.write(name, content)

    ended = call("apply", "plan.yaml", "--yes")

    assert ended.code == 2, ended.err
    (line,) = ended.err.splitlines()
    assert line.startswith((f"fleetpatch: {row.place}", row.place)), line
    assert row.words in line, line
    assert re.match(r"(fleetpatch: )?\S+:\d+:\d+: ", line), line
    assert (server.counters()["requests"], server.sent()) == before
