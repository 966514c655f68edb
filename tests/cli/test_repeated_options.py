"""Options that are given twice, empty or not in UTF-8: taken together, or refused by name.

Covered: every option of every verb; the lists of targets, resume, label and annotate. Left out:
options that are wrong in themselves (test_bad_input).
"""

import json
from collections.abc import Iterator

import click
import pytest

from fleetpatch.cli import app, parser
from fleetpatch.model.outcome import Reason
from tests.cli.calling import Caller
from tests.cli.conftest import paint
from tests.e2e.tool import Tool


def options() -> Iterator[tuple[str, click.Option]]:
    for verb, command in parser.build(app.VERBS, app.VERBS).commands.items():
        for option in command.params:
            if isinstance(option, click.Option):
                yield verb, option


SINGLE = [
    (verb, name)
    for verb, option in options()
    if not (option.multiple or option.is_flag)
    for name in option.opts
]
SEVERAL = {(verb, option.name) for verb, option in options() if option.multiple}


@pytest.mark.parametrize(("verb", "name"), SINGLE)
def test_an_option_with_one_value_is_refused_by_name_when_it_is_given_twice(
    call: Caller, verb: str, name: str
) -> None:
    ended = call(verb, name, "a", name, "b")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("fleetpatch: --")
    assert " is given 2 times; " in ended.err


@pytest.mark.parametrize(
    ("value", "begins", "words"),
    [
        ("", "fleetpatch: --", "is empty; give a value, or leave the option out"),
        (
            "a\udcffb",
            "fleetpatch: the argument 'a\\xffb' after -",
            " is not valid UTF-8; nothing was",
        ),
    ],
    ids=["empty", "bytes"],
)
@pytest.mark.parametrize(("verb", "name"), SINGLE)
def test_a_value_that_is_empty_or_not_utf_8_is_refused_by_the_options_name(
    call: Caller, verb: str, name: str, value: str, begins: str, words: str
) -> None:
    ended = call(verb, name, value)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(begins)
    assert words in ended.err
    assert not value or name in ended.err


@pytest.mark.parametrize("change", ["note=x\udcffy", "no\udcffte=x", "no\udcffte-"])
@pytest.mark.parametrize("verb", ["label", "annotate"])
def test_a_change_that_is_not_utf_8_is_refused_before_anything_is_asked(
    call: Caller, verb: str, change: str
) -> None:
    ended = call(verb, "jobs.batch", change, "-A", "-l", "app=etl", "-y")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("fleetpatch: the argument 'no")
    assert "is not valid UTF-8; nothing was sent" in ended.err


def test_a_short_and_a_long_name_are_one_option(call: Caller) -> None:
    ended = call("label", "jobs.batch", "a=1", "-A", "-l", "app=etl", "--selector", "tier=gold")

    assert ended.code == 2
    assert ended.err == "fleetpatch: --selector is given 2 times; join its terms with a comma\n"


ONE_FILE = {(verb, "filename") for verb in ("plan", "apply", "rbac")}
"""`validate` checks several files, these verbs take one."""


def test_lists_are_lists_in_every_verb_that_has_them() -> None:
    names = {name for _, name in SEVERAL}

    found = {(verb, option.name) for verb, option in options() if option.name in names}
    # There it is why a person does this, and no reason code.
    texts = ("plan", "apply", "label", "annotate", "undo", "pause", "cancel", "pace")
    others = {*((verb, "reason") for verb in texts), *ONE_FILE, ("rbac", "cluster")}
    assert found - others == SEVERAL
    assert {
        "reason",
        "outcome",
        "verified",
        "namespace",
        "allow_key",
        "plan",
        "state",
        "cluster",
        "kind",
        "filename",
    } == names


def test_a_flag_may_be_repeated(call: Caller) -> None:
    assert call("validate", "-h").code == 0
    assert "run 'nowhere'" in call("resume", "nowhere", "--yes", "--yes", "-y").err


@pytest.fixture
def run(call: Caller, tool: Tool) -> str:
    """A plan that was expanded, with pending targets and nothing else."""
    tool.write("good.yaml", paint())
    ended = call("plan", "good.yaml", "-o", "json")
    assert ended.code == 0, ended.err
    return str(json.loads(ended.out)["run"])


def test_several_outcomes_and_reasons_are_taken_together(call: Caller, run: str) -> None:
    def listed(*words: str) -> int:
        return len(call("targets", run, "-o", "jsonl", *words).out.splitlines())

    total = listed()
    assert total > 0
    assert listed("--outcome", "pending", "--outcome", "applied") == total
    assert listed("--outcome", "applied", "--outcome", "failed") == 0
    assert listed("--reason", "gone", "--reason", "drifted") == 0


def test_resume_takes_several_reasons_and_refuses_one_that_is_not_a_failure(
    call: Caller, run: str
) -> None:
    taken = call("resume", run, "--failed", "--reason", "rejected", "--reason", "conflict")
    refused = call("resume", run, "--failed", "--reason", "rejected", "--reason", "gone")

    assert "Reopened 0 failed targets" in taken.err
    assert refused.code == 2
    assert f"--reason {Reason.GONE}: is not the reason of a failure" in refused.err


def test_several_namespaces_are_united(call: Caller) -> None:
    def planned() -> int:
        return sum(run["targets"] for run in json.loads(call("status", "-o", "json").out))

    def found(*words: str) -> int:
        before = planned()
        ended = call("label", "jobs.batch", "colour=red", "-l", "app=etl", *words)
        assert "there is no terminal to ask on" in ended.err
        return planned() - before

    each = [found("-n", pattern) for pattern in ("team-[a-m]*", "team-[n-z]*")]

    assert all(each)
    assert found("-n", "team-[a-m]*", "-n", "team-[n-z]*") == sum(each)


def test_a_field_selector_alone_is_a_selector(call: Caller) -> None:
    ended = call(
        *("label", "jobs.batch", "colour=red", "-n", "team-000", "-y"),
        *("--field-selector", "metadata.name=nothing-is-called-so"),
    )

    assert ended.code == 2
    assert "the plan does not match any object" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("--field-selector", "metadata.name!=nothing-is-called-so", "--max-targets", "0"),
        ("--field-selector", "metadata.namespace=team-000,metadata.name=nothing", "-A"),
    ],
    ids=["negative", "namespace"],
)
def test_any_term_of_a_field_selector_selects(call: Caller, words: tuple[str, ...]) -> None:
    where = () if "-A" in words else ("-n", "team-000")

    ended = call("label", "jobs.batch", "colour=red", "-y", *where, *words)

    assert ended.code != 0
    assert "so every object of the kinds would match" not in ended.err


@pytest.mark.parametrize("empty", ["", " ", ","])
def test_an_empty_field_selector_is_none(call: Caller, empty: str) -> None:
    ended = call(
        *("label", "jobs.batch", "colour=red", "-n", "team-000", "-y", "--field-selector", empty)
    )

    assert ended.code == 2, ended.err
