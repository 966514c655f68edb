"""Recorded merges of a real kube-apiserver 1.36.2, compared with the predictions for that version.

Covered: generated strategic merges of pod templates, and server-side applies by several managers of
batch Jobs and of a custom kind (tests/recorded/README.md). The answer must contain the prediction,
with lists in the same order; it may also contain defaults. No answer counts as one
without effect. Left out: patches that were refused for their values; nulls in a new map of
quantities or strings, which the server turns into "0" or "".
"""

import lzma
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.outcome import Reason
from fleetpatch.model.resource import Resource
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.patching.diff import uncertain_paths
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.patching.server_side_apply import applied
from fleetpatch.rules.patching.strategic_patch import strategic_patched
from fleetpatch.rules.planning.planner import NeedsPatch, need
from tests.differential.previews import differences, labels
from tests.fakes import seen_whole

RECORDED = Path(__file__).parents[2] / "recorded" / "kubernetes-1.36-merges.jsonl.xz"
RESOURCES = {
    "v1/podtemplates": Resource("", "v1", "podtemplates", "PodTemplate"),
    "apps/v1/deployments": Resource("apps", "v1", "deployments", "Deployment"),
    "batch/v1/cronjobs": Resource("batch", "v1", "cronjobs", "CronJob"),
    "batch/v1/jobs": Resource("batch", "v1", "jobs", "Job"),
    "kubeflow.org/v1/tfjobs": Resource("kubeflow.org", "v1", "tfjobs", "TFJob"),
}


@pytest.fixture(scope="module")
def exchanges() -> list[Any]:
    with lzma.open(RECORDED) as lines:
        return [msgspec.json.decode(line) for line in lines]


def test_strategic_merges_are_predicted_as_the_server_answered(exchanges: list[Any]) -> None:
    merged = 0
    for exchange in exchanges:
        if exchange["merge"] != "strategic":
            continue
        rules = rules_of(exchange)
        try:
            after = strategic_patched(exchange["live"], exchange["body"], rules)
        except InapplicableError:
            assert exchange["status"] == 500, exchange["body"]
            continue
        assert exchange["status"] == 200, exchange["body"]
        assert list(differences(exchange["answer"], after, rules)) == [], exchange["body"]
        merged += 1
    assert merged > 400


def test_applies_are_predicted_as_the_server_answered(exchanges: list[Any]) -> None:
    seen = 0
    for exchange in exchanges:
        if exchange["merge"] != "apply":
            continue
        rules, query = rules_of(exchange), parse_qs(exchange["query"])
        after = applied(exchange["live"], exchange["body"], query["fieldManager"][0], rules)
        assert list(differences(exchange["answer"], after, rules)) == [], exchange["body"]
        gone = set(labels(exchange["live"])) - set(labels(after))
        assert gone.isdisjoint(labels(exchange["answer"])), exchange["body"]
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("version", ["1.36", ""])
def test_no_answer_to_a_strategic_merge_is_called_not_effective(
    exchanges: list[Any], version: str
) -> None:
    patched = 0
    for exchange in exchanges:
        if exchange["merge"] != "strategic" or exchange["status"] != 200:
            continue
        change = BodyPatch(PatchType.STRATEGIC, exchange["body"])
        rules = merge_rules(RESOURCES[exchange["resource"]], version)
        needed = need(change, seen_whole(exchange["live"]), rules)
        if not isinstance(needed, NeedsPatch):
            continue
        # They were recorded as dry runs, which do not change the version.
        ended = after_patch(
            change,
            needed.wanted,
            "an earlier one",
            seen_whole(exchange["answer"]),
            before=needed.before,
            uncertain=partial(uncertain_paths, change, rules),
        )
        assert ended.reason is Reason.PATCHED, ended.detail
        patched += 1
    assert patched > 300


def rules_of(exchange: Any) -> MergeRules:
    return merge_rules(RESOURCES[exchange["resource"]], "1.36")
