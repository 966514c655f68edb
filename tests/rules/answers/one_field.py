"""What a read shows of an object with one touched field, `spec.l`, and what is decided from it."""

from typing import Any

from fleetpatch.model.change import BodyPatch, Change, PatchType, Restoration
from fleetpatch.model.fields import Fields, Path
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Step
from tests.fakes import document, seen_whole, target_with
from tests.values import replace

L: Path = ("spec", "l")
S: Path = ("spec", "s")
MERGE = BodyPatch(PatchType.MERGE, {})
JSON = BodyPatch(PatchType.JSON, [])
UNDO = Restoration(whole=True)

BY_US = [{"manager": "fleetpatch", "fieldsV1": {"f:spec": {"f:l": {}, "f:s": {}}}}]
BY_OTHER = [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:l": {}, "f:s": {}}}}]


def seen(value: Any, version: str = "11", managed: Any = (), **more: Any) -> Seen:
    made = document("etl-1", "uid-1", version, spec={"l": value, **more})
    return replace(seen_whole(made), managed_fields=list(managed))


def read(
    change: Change,
    before: Any,
    wanted: Any,
    now: Seen,
    *,
    also: tuple[Fields, Fields] = ({}, {}),
    sent: bool = True,
    lost: bool = False,
) -> Step:
    target = target_with(seen(before, "10"), {L: before, **also[0]}, {L: wanted, **also[1]})
    return after_read(
        target, change, now, matches=True, sent=sent, lost=lost, on_drift=OnDrift.SKIP
    )


def reason(step: Step) -> Reason | None:
    return step.reason if isinstance(step, End) else None
