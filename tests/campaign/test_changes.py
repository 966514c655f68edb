"""Which fields of a body the server alone can decide, by the type of the patch.

Left out: the lists of strategic merge and apply themselves (tests/rules/patching/test_strategy.py),
and how a preview says it (tests/report/test_preview.py).
"""

from typing import Any

import pytest

from fleetpatch.campaign.change import depends_on_version, undecided_of
from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType
from fleetpatch.rules.patching.merging import RunMerging
from tests.fakes import JOBS


def servers(*releases: str) -> RunMerging:
    """Servers of these versions."""
    return RunMerging({f"c{number}": release for number, release in enumerate(releases)})


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"spec": {"args": [None, 1]}}, ["spec.args of jobs.batch"]),
        ({"spec": {"tasks": [{"args": [None]}], "b": 1}}, ["spec.tasks of jobs.batch"]),
        ({"spec": {"tasks": [[None]]}}, ["spec.tasks of jobs.batch"]),
        ({"spec": {"tasks": [{"args": None}]}}, []),
        ({"spec": {"tasks": None}, "metadata": {"labels": {"a": None}}}, []),
    ],
)
def test_whether_a_merge_patch_keeps_null_entries_is_the_servers_to_decide(
    body: Any, paths: list[str]
) -> None:
    assert undecided_of(BodyPatch(PatchType.MERGE, body), [JOBS], servers("")) == paths


def test_a_server_whose_version_is_known_has_nothing_to_decide_about_null_entries() -> None:
    change = BodyPatch(PatchType.MERGE, {"spec": {"args": [None, 1]}})

    assert undecided_of(change, [JOBS], servers("1.20", "1.36")) == []
    assert undecided_of(change, [JOBS], servers("1.20", "")) == ["spec.args of jobs.batch"]


def test_the_version_is_asked_for_where_something_depends_on_it() -> None:
    def merge(body: Any) -> BodyPatch:
        return BodyPatch(PatchType.MERGE, body)

    assert depends_on_version(merge({"spec": {"args": [{"a": [None]}]}}))
    assert not depends_on_version(merge({"spec": {"args": [{"a": None}], "b": None}}))
    assert not depends_on_version(BodyPatch(PatchType.JSON, [None]))
    assert not depends_on_version(MetadataChange(labels={"a": None}))


def test_nothing_is_undecided_about_labels_and_json_patches() -> None:
    operation = {"op": "add", "path": "/spec/a", "value": [None]}

    assert undecided_of(BodyPatch(PatchType.JSON, [operation]), [JOBS], servers("")) == []
    assert undecided_of(MetadataChange(labels={"a": None}), [JOBS], servers("")) == []
