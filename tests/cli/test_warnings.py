"""Warnings of a plan file: on stderr, with their place, and without effect on the exit code.

Covered: validate, plan and apply. Left out: what is warned of (tests/model/test_cron_warnings).
"""

import json

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import paint
from tests.e2e.tool import Tool

WARNING = (
    "warning: window.opens: opens on day of month 1-7 and also on every day of week SUN, as in cron"
)


@pytest.fixture(autouse=True)
def _odd_plan(tool: Tool) -> None:
    tool.write("odd.yaml", paint(window={"opens": "0 2 1-7 * SUN", "lasts": "1m"}))


def test_validate_accepts_the_plan_with_a_warning(call: Caller) -> None:
    ended = call("validate", "odd.yaml")

    assert ended.code == 0
    assert ended.out.startswith("odd.yaml: valid (paint, ")
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith("odd.yaml:1:")
    assert WARNING in ended.err
    assert "it opens next on " in ended.err


def test_plan_warns_too_and_its_json_stays_json(call: Caller) -> None:
    ended = call("plan", "odd.yaml", "-o", "json")

    assert ended.code == 0
    assert json.loads(ended.out)["targets"] > 0
    assert WARNING in ended.err


def test_the_first_line_of_apply_is_the_warning(call: Caller) -> None:
    ended = call("apply", "odd.yaml")

    assert ended.err.partition("\n")[0].startswith("odd.yaml:1:")
    assert WARNING in ended.err
