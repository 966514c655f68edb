"""What counts as merged by the server in its own way, and what as a change without effect.

Left out: the outcome on a server (tests/e2e/test_half_stored.py).
"""

import pytest

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.fields import ABSENT, Path, Value, label
from fleetpatch.model.outcome import Reason
from fleetpatch.rules.answers.settlement import after_patch
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
