"""The pages that lead readers through the code are true.

Covered: each module and test that a page names exists (`folder/module`, with or without `.py`,
below fleetpatch/, and `tests/...`); each row of docs/decisions/trust.md names such modules and
tests and nothing else, and their functions exist; the table of file names is complete;
docs/reference.md has every verb and every cause code; the exit codes are those of the code;
docs/operating.md has an answer to each code, and valid commands; docs/metrics.md has every metric
and every alert; the example for Python catches errors. Left out: links between pages, which the
documentation site checks; the line for cron (tests/e2e/test_nightly.py).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from fleetpatch.cli.app import VERBS
from fleetpatch.cli.parser import build
from fleetpatch.cli.verbs import apply
from fleetpatch.errors import Exit
from fleetpatch.metrics.catalog import METRICS
from fleetpatch.model.cause import EXIT_OF
from fleetpatch.model.plan.load import parse_plan
from tests.monitoring.queries import alert_queries

ROOT = Path(__file__).parent.parent
METRICS_PAGE = ROOT / "docs" / "metrics.md"
PAGES = ["docs/architecture.md", "docs/decisions/trust.md", "CONTRIBUTING.md", "docs/testing.md"]
FOLDERS = "|".join(sorted(p.parent.name for p in (ROOT / "fleetpatch").glob("*/__init__.py")))
PATHS = re.compile(rf"(?<![\w./-])((?:tests|fleetpatch|{FOLDERS})(?:/\w+)+(?:\.py)?)(?![\w/])")


def exists(path: str) -> bool:
    base = ROOT if path.startswith(("tests/", "fleetpatch/")) else ROOT / "fleetpatch"
    stem = base / path.removesuffix(".py")
    return stem.is_dir() or stem.with_suffix(".py").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_page_names_exists(page: str) -> None:
    named = set(PATHS.findall((ROOT / page).read_text(encoding="utf-8")))

    assert named
    assert sorted(path for path in named if not exists(path)) == []


def rows_of(text: str) -> list[list[str]]:
    """The cells of all rows of the tables in a page, without those above and of each rule."""
    lines = text.splitlines()
    rules = {number for number, line in enumerate(lines) if line.startswith("|---")}
    headings = {number - 1 for number in rules}
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for number, line in enumerate(lines)
        if line.startswith("|") and number not in rules | headings
    ]


def is_place(named: str) -> bool:
    """Whether it is a module, with or without a function or class of it, a folder or a page."""
    found = re.fullmatch(r"([\w/]+)(?: \(`(\w+)`\))?", named)
    if found is None:
        return (ROOT / named).is_file()
    module = ROOT / "fleetpatch" / f"{found[1]}.py"
    return exists(found[1]) and (found[2] is None or defines(module, found[2]))


def is_test(named: str) -> bool:
    found = re.fullmatch(r"(tests/[\w/]+)(?:::(\w+))?", named)
    if found is None or not exists(found[1]):
        return False
    return found[2] is None or defines(ROOT / f"{found[1]}.py", found[2])


def defines(module: Path, name: str) -> bool:
    text = module.read_text(encoding="utf-8") if module.is_file() else ""
    return bool(re.search(rf"^(?:async )?(?:def|class) {name}\b", text, re.MULTILINE))


def test_the_page_about_trust_names_modules_and_tests_that_exist() -> None:
    rows = rows_of((ROOT / "docs/decisions/trust.md").read_text(encoding="utf-8"))

    assert rows
    assert [row for row in rows if len(row) != 4] == []
    places = [place for row in rows for place in row[2].split(", ")]
    assert [place for place in places if not is_place(place)] == []
    tests = [test for row in rows for test in with_files(row[3].split(", "))]
    assert [test for test in tests if not is_test(test)] == []


def with_files(tests: list[str]) -> list[str]:
    """Put the file of the test before into the place of the missing one of `::name`."""
    found: list[str] = []
    for test in tests:
        file = found[-1].partition("::")[0] if found and test.startswith("::") else ""
        found.append(file + test)
    return found


def test_the_table_of_file_names_lists_every_file_of_such_a_name() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+\.py)` \|(.*)$", text, re.MULTILINE))

    assert {"window.py", "waves.py", "limits.py", "lease.py", "retry.py"} < rows.keys()
    for name, row in rows.items():
        found = (ROOT / "fleetpatch").rglob(name)
        listed = {path for path in PATHS.findall(row) if path.endswith(f"/{name}")}
        assert listed == {str(path.relative_to(ROOT / "fleetpatch")) for path in found}


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("docs/reference.md", "## Cause codes\n"),
        ("docs/operating.md", "## How to answer each cause code\n"),
    ],
)
def test_the_tables_of_cause_codes_are_those_of_the_code(page: str, heading: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.partition(heading)[2].partition("\n## ")[0]

    rows = re.findall(r"^\| (\d) \| `([a-z-]+)` \|", section, re.MULTILINE)
    assert {code: int(exit_code) for exit_code, code in rows} == dict(EXIT_OF)
    assert len(rows) == len(EXIT_OF)


def test_the_exit_codes_of_the_readme_and_of_apply_are_those_of_the_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Exit codes\n")[2].partition("\n## ")[0]
    (helped,) = re.findall(r"Exit codes:(.*)", str(apply.command.__doc__), re.DOTALL)

    assert [int(code) for code in re.findall(r"^\| (\d) \|", section, re.MULTILINE)] == [*Exit]
    assert [int(code) for code in re.findall(r"\b\d\b", helped)] == [*Exit]


def test_the_operating_guide_says_what_to_alert_on_for_each_exit_code_of_apply() -> None:
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    section = text.partition("## What to alert on\n")[2].partition("\n## ")[0]

    rows = re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
    codes = [int(code) for row in rows for code in row.split(", ")]
    assert sorted(codes) == sorted({Exit.OK, *EXIT_OF.values()})


def test_the_commands_of_the_operating_guide_exist() -> None:
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    calls = re.findall(r"fleetpatch ([a-z]+)((?: [^`\n|;#]+)?)", text)

    called = [(verb, option) for verb, rest in calls for option in re.findall(r"--[a-z-]+", rest)]
    assert called
    assert [verb for verb, _ in calls if verb not in VERBS] == []
    known = {
        (verb, name)
        for verb, command in commands_of_all_verbs().items()
        for param in command.params
        for name in param.opts
    }
    assert [call for call in called if call not in known] == []


def test_the_plan_of_the_operating_guide_is_valid() -> None:
    text = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    (excerpt,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    rest = (
        "apiVersion: fleetpatch/v1\nkind: Plan\n"
        "targets: [{kinds: [jobs.batch], selector: app}]\npatch: {labels: {a: b}}\n"
    )

    assert parse_plan(excerpt + rest, "operating.md").plan.name == "relabel"


def test_the_reference_has_every_verb() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")

    commands = text.partition("## Commands\n")[2].partition("RUN is a run file")[0]
    assert [verb for verb in VERBS if not re.search(rf"`{verb}\b", commands)] == []


def commands_of_all_verbs() -> Mapping[str, click.Command]:
    return build(VERBS, VERBS).commands


def options_of_all_verbs() -> set[tuple[str, str]]:
    """Each option, also in its short form, with each verb that has it."""
    return {
        (name, verb)
        for verb, command in commands_of_all_verbs().items()
        for param in command.params
        for name in param.opts
        if name.startswith("-")
    }


def documented_options(section: str) -> set[tuple[str, str]]:
    """The options in the two tables of the section, with their verbs.

    In the first table a verb begins each span of code, and its options are in the same span. The
    second one has its verbs in a column of their own, or `all but` some.
    """
    found: set[tuple[str, str]] = set()
    for first, *rest in rows_of(section):
        spans = re.findall(r"`([^`]+)`", first)
        verbs = [span.partition(" ")[0] for span in spans]
        if set(verbs) <= VERBS.keys():
            assert len(rest) == 1
            found |= {
                (name, verb)
                for verb, span in zip(verbs, spans, strict=True)
                for name in options_in(span)
            }
        elif any(map(options_in, spans)):
            of = {span.partition(" ")[0] for span in re.findall(r"`([^`]+)`", rest[0])}
            assert of
            assert of <= VERBS.keys()
            verbs_of_row = VERBS.keys() - of if rest[0].startswith("all but ") else of
            found |= {(name, verb) for name in options_in(first) for verb in verbs_of_row}
    return found


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])(?:--[a-z][a-z-]*|-[A-Za-z])(?![\w-])", text))


def test_the_reference_has_the_options_of_each_verb_and_no_others() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    section = text.partition("## Commands\n")[2].partition("\n## ")[0]
    known = options_of_all_verbs()

    documented = documented_options(section.partition("\n**")[0])
    assert sorted(known - documented) == []
    assert sorted(documented - known) == []
    of_others = {"--install-completion", "--show-completion", "--version"}
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", section))
    assert sorted(mentioned - {name for name, _ in known} - of_others) == []


def test_every_module_of_the_verbs_is_a_verb() -> None:
    modules = {path.stem for path in (ROOT / "fleetpatch/cli/verbs").glob("[!_]*.py")}

    assert modules <= VERBS.keys()


def test_the_example_for_python_ends_with_a_message_where_its_plan_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit, match=r"^relabel: relabel-ml-teams\.yaml: no such plan file"):
        exec(example, {})  # the documented text


def test_the_page_about_metrics_has_a_row_for_each_metric() -> None:
    rows = re.findall(
        r"^\| `(fleetpatch_\w+)` \| (\w+) \| (.*) \| (.*) \|$",
        METRICS_PAGE.read_text(),
        re.MULTILINE,
    )

    assert rows == [
        (one.name, one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.help)
        for one in METRICS
    ]


def test_the_page_about_metrics_has_every_alert() -> None:
    rows = re.findall(r"^\| `(Fleetpatch\w+)` \|", METRICS_PAGE.read_text(), re.MULTILINE)

    assert rows == list(alert_queries())
