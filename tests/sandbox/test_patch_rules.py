"""The rules of RFC 6902 and RFC 7386 on the sandbox, case by case.

The cases are in tests/rules/patching/patch_rules.py.
Left out: that a real server does the same (tests/differential/test_same_values.py).
"""

import json
from typing import Any

import pytest

from fleetpatch.model.equality import deep_equal
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.sandbox.apiserver.patches import JSON_PATCH, MERGE, patched
from fleetpatch.sandbox.apiserver.release import RELEASES, KubernetesVersion
from fleetpatch.sandbox.apiserver.statuses import Refusal
from tests.fakes import JOBS
from tests.rules.patching.patch_rules import (
    JSON_PATCHES,
    MALFORMED_PATCHES,
    MERGE_PATCHES,
    OLD_MERGE_PATCHES,
    REFUSED,
    Case,
    spec_of,
)

UNPROCESSABLE = 422


BOTH = list(KubernetesVersion)
OLD, CURRENT = BOTH


def after(case: Case, content_type: str, version: KubernetesVersion) -> Any:
    rules, release = merge_rules(JOBS, version), RELEASES[version]
    before = {"spec": spec_of(case.before)}
    try:
        return patched(before, content_type, case.patch.encode(), rules, release)["spec"]
    except Refusal as refusal:
        return REFUSED if refusal.reply.status == UNPROCESSABLE else refusal


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("case", JSON_PATCHES, ids=lambda case: case.rule)
def test_json_patches(case: Case, version: KubernetesVersion) -> None:
    wanted = REFUSED if case.result is REFUSED else spec_of(case.result)

    assert deep_equal(after(case, JSON_PATCH, version), wanted)


@pytest.mark.parametrize("case", MALFORMED_PATCHES, ids=lambda case: case.rule)
def test_a_current_server_refuses_malformed_operations_as_a_bad_request(case: Case) -> None:
    refusal = after(case, JSON_PATCH, CURRENT)

    assert after(case, JSON_PATCH, OLD) is REFUSED
    assert (refusal.reply.status, b"error decoding patch" in refusal.reply.body) == (400, True)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("case", MERGE_PATCHES, ids=lambda case: case.rule)
def test_merge_patches(case: Case, version: KubernetesVersion) -> None:
    assert deep_equal(after(case, MERGE, version), spec_of(case.result))


@pytest.mark.parametrize("case", OLD_MERGE_PATCHES, ids=lambda case: case.rule)
def test_only_old_servers_drop_null_entries(case: Case) -> None:
    assert deep_equal(after(case, MERGE, OLD), spec_of(case.result))
    assert deep_equal(after(case, MERGE, CURRENT), json.loads(case.patch)["spec"])
