"""How the command line starts: its help, its version, and what it does not load.

Covered: what `--help` imports, the table of verbs against the verbs themselves, help of each verb,
shell completion. Left out: how long it takes (bench).
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from fleetpatch._version import __version__
from fleetpatch.cli.app import VERBS
from tests.cli.calling import Caller
from tests.e2e.tool import Tool

HEAVY = {
    "aiohttp",
    "sqlite3",
    "anyio",
    "asyncio",
    "msgspec",
    "rich",
    "ruamel",
    "structlog",
}
CLIENT = {"aiohttp", "tenacity"}
NOWHERE = {
    "status": ["nowhere"],
    "targets": ["nowhere"],
    "validate": ["nowhere.yaml"],
    "schema": [],
}


IMPORTING = """
import json, sys
from contextlib import suppress
from fleetpatch.cli.app import main

imported = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    with suppress(SystemExit):
        main()
    imported.append(sorted({name.partition(".")[0] for name in sys.modules}))
with open("imported", "w") as file:
    json.dump(imported, file)
"""
"""Calls commands in one process, and writes the packages that were imported after each of them."""


def imported(tool: Tool, *commands: Sequence[str]) -> dict[str, set[str]]:
    """Return the top-level packages that each command or one before it imports, by first word."""
    command = [sys.executable, "-c", IMPORTING, json.dumps(commands)]
    ended = subprocess.run(
        command,
        cwd=tool.folder,
        env=tool.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("Usage:") == sum("--help" in words for words in commands)
    found = map(set, json.loads((tool.folder / "imported").read_text()))
    return {words[0]: packages for words, packages in zip(commands, found, strict=True)}


def test_help_loads_nothing_heavy(tool: Tool) -> None:
    assert not imported(tool, ["--help"])["--help"] & (HEAVY | {"email", "decimal"})


def test_help_of_a_verb_loads_nothing_heavy(tool: Tool) -> None:
    # The choices of options are enums of the model, in modules with Structs; msgspec loads in 5 ms
    # where click has loaded the same standard library.
    left_out = HEAVY - {"msgspec"}
    for verb, packages in imported(tool, *([verb, "--help"] for verb in VERBS)).items():
        assert not packages & left_out, verb


def test_a_verb_that_only_reads_loads_no_client(tool: Tool) -> None:
    for verb, packages in imported(tool, *([verb, *NOWHERE[verb]] for verb in NOWHERE)).items():
        assert not packages & CLIENT, verb


@pytest.mark.parametrize("verb", VERBS)
def test_the_summary_of_a_verb_is_the_first_line_of_its_help(call: Caller, verb: str) -> None:
    ended = call(verb, "--help")

    assert ended.out.split("\n\n")[1].strip().partition("\n")[0] == VERBS[verb]


def test_help_lists_every_verb_with_its_summary(call: Caller) -> None:
    ended = call("--help")

    assert (ended.code, ended.err) == (0, "")
    for verb, summary in VERBS.items():
        assert verb in ended.out
        assert summary.split(",")[0][:30] in ended.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(call: Caller, verb: str) -> None:
    ended = call(verb, "--help")

    assert (ended.code, ended.err) == (0, "")
    assert f"Usage: fleetpatch {verb}" in ended.out


def test_without_a_verb_there_is_help_and_an_exit_code_for_scripts(call: Caller) -> None:
    ended = call()

    assert (ended.code, ended.err) == (2, "")
    assert "Usage: fleetpatch" in ended.out


def test_the_version_is_one_word(call: Caller) -> None:
    ended = call("--version")

    assert (ended.code, ended.out, ended.err) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("verb", ["status", "targets", "resume", "undo", "apply"])
def test_every_verb_that_takes_a_run_says_how_to_name_one(call: Caller, verb: str) -> None:
    shown = " ".join(call(verb, "--help").out.split())

    assert "run's name or its beginning, or a plan's name" in shown


def test_help_names_choices_and_defaults_in_the_form_in_which_they_are_written(
    call: Caller,
) -> None:
    for verb in VERBS:
        shown = call(verb, "--help").out
        assert not re.search(r"\blist\[\w+\|", shown), verb
        assert "default: 30.0" not in shown, verb
    assert "timeout of one request [30s]" in " ".join(call("apply", "--help").out.split())


def test_the_help_of_apply_has_all_exit_codes(call: Caller) -> None:
    shown = " ".join(call("apply", "--help").out.split())

    for code in ("0 done", "1 our own", "2 bad usage", "3 some", "4 halted", "5 paused", "6 ano"):
        assert code in shown
    assert "7 paused" in shown
