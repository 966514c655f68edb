"""What counts as merged by the server in its own way, and what as a change without effect.

Covered: spelling and order of entries of lists, what a server adds to them, removals that were not
done, values as before the change, fields that only the server knows how to merge.

Left out: the outcome on a server (tests/e2e/test_half_stored.py).
"""

from collections.abc import Collection

import pytest

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.fields import ABSENT, Path, Value, label
from fleetpatch.model.outcome import Reason
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.steps import End
from tests.fakes import document, seen_whole

SPEC: Path = ("spec", "x")


@pytest.mark.parametrize("kind", [PatchType.STRATEGIC, PatchType.APPLY])
@pytest.mark.parametrize(
    ("path", "wanted", "found", "reason"),
    [
        (label("team"), "Red", "red", Reason.NOT_EFFECTIVE),
        (SPEC, {"a": "b"}, None, Reason.NOT_EFFECTIVE),
        (SPEC, 2, None, Reason.NOT_EFFECTIVE),
        # A server writes quantities and lists in its own way, and keeps what others own.
        (SPEC, [{"cpu": "1000m"}], [{"cpu": "1"}], Reason.PATCHED),
        (SPEC, {"a": [{"cpu": "1000m"}]}, {"a": [{"cpu": "1"}]}, Reason.PATCHED),
        (SPEC, ABSENT, "theirs", Reason.PATCHED),
    ],
)
def test_a_value_that_is_not_as_predicted(
    kind: PatchType, path: Path, wanted: Value, found: object, reason: Reason
) -> None:
    labels = {path[-1]: str(found)} if path[0] == "metadata" else {}
    live = document("j", "u", "11", labels=labels, spec={} if found is None else {"x": found})

    ended = after_patch(BodyPatch(kind, {}), {path: wanted}, "10", seen_whole(live))

    assert ended.reason is reason


@pytest.mark.parametrize("kind", [PatchType.STRATEGIC, PatchType.APPLY])
def test_a_field_that_only_the_server_knows_how_to_merge_is_as_the_server_stores_it(
    kind: PatchType,
) -> None:
    live = document("j", "u", "11", spec={"x": {"b": 1}})

    ended = after_patch(
        BodyPatch(kind, {}),
        {SPEC: {"a": 1}},
        "10",
        seen_whole(live),
        uncertain=lambda: [SPEC],
    )

    assert ended.reason is Reason.PATCHED
    assert ended.wrote == {SPEC: {"b": 1}}


C = {"name": "c", "image": "old", "imagePullPolicy": "Always"}
NEW = {**C, "image": "new"}
ENV = {**C, "env": [{"name": "A", "value": "1"}]}
ARGS = {**NEW, "args": ["a"]}
MILLI = {**C, "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}
ONE = {**C, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
D = {"name": "d", "image": "d"}


@pytest.mark.parametrize("version", ["10", "11"])
@pytest.mark.parametrize("kind", [PatchType.STRATEGIC, PatchType.APPLY])
@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ([C], [NEW]),
        ([ENV], [NEW]),
        ([C, D], [C]),
        ([C], [C, D]),
        (["a"], ["a", "b"]),
        ({"a": [C], "b": 1}, {"a": [NEW], "b": 1}),
    ],
)
def test_a_list_that_is_as_before_was_not_merged(
    kind: PatchType, before: Value, wanted: Value, version: str
) -> None:
    ended = merged(kind, before, wanted, before, version)

    assert ended.reason is Reason.NOT_EFFECTIVE


@pytest.mark.parametrize("kind", [PatchType.STRATEGIC, PatchType.APPLY])
@pytest.mark.parametrize(
    ("before", "wanted", "found"),
    [
        # The image is still the old one, although something else was stored.
        ([C], [ARGS], [{**C, "args": ["a"]}]),
        ([C], [NEW], [{**C, "image": "other"}]),
        ([C], [NEW, D], [NEW]),
        ([C], [{**C, "image": "1" * 100_000 + "x"}], [{**C, "image": "1" * 100_000 + "y"}]),
        ([C], [MILLI], [{**C, "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}]),
    ],
)
def test_an_entry_with_another_value_is_not_effective(
    kind: PatchType, before: Value, wanted: Value, found: Value
) -> None:
    assert merged(kind, before, wanted, found).reason is Reason.NOT_EFFECTIVE


@pytest.mark.parametrize("kind", [PatchType.STRATEGIC, PatchType.APPLY])
@pytest.mark.parametrize(
    ("before", "wanted", "found"),
    [
        ([C], [MILLI], [ONE]),
        ([C], [MILLI, D], [{**D, "resources": {}, "protocol": "TCP"}, ONE]),
        ([C], [NEW], [{**NEW, "more": 1}]),
        # Entries without names, in another order and with defaults.
        ([], [{"p": 1}, {"p": 1, "q": 2}], [{"p": 1, "q": 2}, {"p": 1}]),
        # A webhook adds an entry.
        ([C], [NEW], [NEW, D]),
        (["a"], ["a", "b"], ["b", "a"]),
        # A null in a new map of quantities or of strings.
        ([C], [{**C, "limits": {"cpu": None, "x": None}}], [{**C, "limits": {"cpu": "0"}}]),
        # A default in place of a value that was removed.
        ([{**C, "n": 2}], [NEW], [{**NEW, "n": 1}]),
    ],
)
def test_a_list_in_another_spelling_and_order_and_with_more_in_it_is_patched(
    kind: PatchType, before: Value, wanted: Value, found: Value
) -> None:
    ended = merged(kind, before, wanted, found)

    assert (ended.reason, ended.wrote) == (Reason.PATCHED, {SPEC: found})


@pytest.mark.parametrize("kind", [PatchType.STRATEGIC, PatchType.APPLY])
@pytest.mark.parametrize(
    ("wanted", "found"),
    [([MILLI], [ONE]), ([D, C], [C, D]), ([{"name": "c", "image": "old"}], [C])],
)
def test_a_merged_list_that_was_stored_already_is_unchanged(
    kind: PatchType, wanted: Value, found: Value
) -> None:
    assert merged(kind, found, wanted, found, "10").reason is Reason.ALREADY_SET


@pytest.mark.parametrize("version", ["10", "11"])
def test_a_list_with_all_that_is_wanted_is_unchanged_by_an_apply(version: str) -> None:
    """What an apply leaves out may be a default of a list that it replaces as a whole."""
    strategic = merged(PatchType.STRATEGIC, [ENV], [C], [ENV], version)

    assert strategic.reason is Reason.NOT_EFFECTIVE
    assert merged(PatchType.APPLY, [ENV], [C], [ENV], version).reason is Reason.ALREADY_SET
    turned = merged(PatchType.APPLY, [ENV, D], [D, C], [ENV, D], version)
    assert turned.reason is Reason.ALREADY_SET


def test_what_a_strategic_merge_removes_beside_another_change_must_be_gone() -> None:
    ended = merged(PatchType.STRATEGIC, [ENV], [NEW], [{**ENV, "image": "new"}])

    assert ended.reason is Reason.NOT_EFFECTIVE


def test_a_field_that_a_strategic_merge_removes_must_be_gone_and_an_apply_may_leave_it() -> None:
    stays = {"a": 1}

    assert merged(PatchType.STRATEGIC, stays, ABSENT, stays).reason is Reason.NOT_EFFECTIVE
    assert merged(PatchType.APPLY, stays, ABSENT, stays).reason is Reason.ALREADY_SET


@pytest.mark.parametrize("path", [SPEC, (*SPEC, "0", "ports"), ("spec",)])
def test_a_list_that_only_the_server_knows_how_to_merge_is_as_the_server_stores_it(
    path: Path,
) -> None:
    known = merged(PatchType.APPLY, [C], [NEW], [D], uncertain=[("spec", "y")])
    unknown = merged(PatchType.APPLY, [C], [NEW], [D], uncertain=[path])

    assert (known.reason, unknown.reason) == (Reason.NOT_EFFECTIVE, Reason.PATCHED)


def merged(
    kind: PatchType,
    before: Value,
    wanted: Value,
    found: Value,
    version: str = "11",
    uncertain: Collection[Path] = (),
) -> End:
    return after_patch(
        BodyPatch(kind, {}),
        {SPEC: wanted},
        "10",
        seen_whole(document("j", "u", version, spec={"x": found})),
        before={SPEC: before},
        uncertain=lambda: uncertain,
    )
