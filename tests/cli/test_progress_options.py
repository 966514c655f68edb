"""What commands that send write to stderr without a terminal.

Covered: lines by default, --progress, --quiet, and that the result is the same. Left out: what the
lines say (tests/report/test_progress_lines.py), bars (tests/report/test_progress.py).
"""

import re

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import paint
from tests.e2e.tool import Tool

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ applying paint-\S+: \d+ targets")


@pytest.fixture(autouse=True)
def _plan(tool: Tool) -> None:
    tool.write("paint.yaml", paint(retry={"attempts": 2}) | {"guards": {"conflicts": "none"}})


def test_apply_says_that_it_begins(call: Caller) -> None:
    ended = call("apply", "paint.yaml", "--dry-run", "--yes")

    assert ended.code == 0, ended.err
    assert LINE.fullmatch(ended.err.splitlines()[0])


@pytest.mark.parametrize("words", [("--progress", "off"), ("--quiet",), ("-q",)])
def test_nothing_but_the_result_is_printed(call: Caller, words: tuple[str, ...]) -> None:
    ended = call("apply", "paint.yaml", "--dry-run", "--yes", *words)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Run paint-")


def test_quiet_says_with_what_error_a_command_ends_and_asks_nothing(call: Caller) -> None:
    missing = call("apply", "nowhere", "--yes", "--quiet")
    assert missing.code == 2
    assert missing.err.startswith("fleetpatch: run 'nowhere'")

    asked = call("apply", "paint.yaml", "--quiet")
    assert asked.code == 2
    assert asked.err.startswith("fleetpatch: --quiet shows no question; add --yes")


@pytest.mark.parametrize(
    ("value", "problem"),
    [("often", "often"), ("0s", "use 10s, or off"), ("-1s", "-1s"), ("", "is empty")],
)
def test_a_progress_that_makes_no_sense_is_refused(call: Caller, value: str, problem: str) -> None:
    ended = call("apply", "paint.yaml", "--yes", f"--progress={value}")

    assert ended.code == 2
    assert "--progress" in ended.err
    assert problem in ended.err


def test_a_run_that_waits_for_its_next_wave_by_hand_says_why_it_ends(
    call: Caller, tool: Tool
) -> None:
    waves = {"sizes": [1, "100%"], "promote": "manual"}
    tool.write("waves.yaml", paint("waved", waves=waves))

    ended = call("apply", "waves.yaml", "--dry-run", "--yes", "--progress", "1h")

    said = [line.split(" ", 1)[1] for line in ended.err.splitlines()]
    assert ended.code == 5
    assert said[1] == "wave 1 of 2 begins"
    assert said[-1].startswith("paused, and can be resumed: wave 1 of 2 is done;")
    assert said[-1].endswith("(promotion-due)")
