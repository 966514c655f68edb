"""The rules of RFC 6902 and RFC 7386 on the sandbox, case by case.

The cases are in tests/rules/patching/patch_rules.py.
Left out: that a real server does the same (tests/differential/test_same_values.py).
"""

from typing import Any

import pytest

from fleetpatch.model.equality import deep_equal
from fleetpatch.sandbox.apiserver.patches import JSON_PATCH, MERGE, patched
from fleetpatch.sandbox.apiserver.statuses import Refusal
from tests.fakes import JOB_RULES
from tests.rules.patching.patch_rules import (
    JSON_PATCHES,
    MERGE_PATCHES,
    OLD_MERGE_PATCHES,
    REFUSED,
    Case,
    spec_of,
)

UNPROCESSABLE = 422


def after(case: Case, content_type: str) -> Any:
    before = {"spec": spec_of(case.before)}
    try:
        return patched(before, content_type, case.patch.encode(), JOB_RULES)["spec"]
    except Refusal as refusal:
        return REFUSED if refusal.reply.status == UNPROCESSABLE else refusal


@pytest.mark.parametrize("case", JSON_PATCHES, ids=lambda case: case.rule)
def test_json_patches(case: Case) -> None:
    wanted = REFUSED if case.result is REFUSED else spec_of(case.result)

    assert deep_equal(after(case, JSON_PATCH), wanted)


@pytest.mark.parametrize("case", [*MERGE_PATCHES, *OLD_MERGE_PATCHES], ids=lambda case: case.rule)
def test_merge_patches(case: Case) -> None:
    assert deep_equal(after(case, MERGE), spec_of(case.result))
