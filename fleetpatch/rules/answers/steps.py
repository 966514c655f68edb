"""What follows an answer about a target: the target ends, or a PATCH is sent."""

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields, show, show_value
from fleetpatch.model.outcome import Reason


class OnDrift(StrEnum):
    """What to do with a field that changed since it was planned (`guards.onDrift`)."""

    SKIP = "skip"
    OVERWRITE = "overwrite"


class End(msgspec.Struct, frozen=True):
    """The target ends with this reason."""

    reason: Reason
    detail: str = ""
    resource_version: str | None = None
    wrote: Fields | None = None
    """The values that our patch left in the fields, if the server stored others than wanted."""
    replaces: Fields | None = None
    """The values that our patch replaced, if another writer has set some of the wanted ones."""


class Send(msgspec.Struct, frozen=True):
    """Send a PATCH that sets the fields to `goal`, guarded by `resource_version`."""

    goal: Fields
    resource_version: str
    replaces: Fields | None = None
    """The values that will be replaced, if they differ from the planned ones.

    They differ if drift is overwritten, or if another writer has set some of the wanted values.
    """
    ours: Fields = {}
    """The values that an earlier attempt of ours has stored."""


Step: TypeAlias = End | Send


def not_effective(missing: Fields, found: Fields, version: str, *, wrote: Fields | None) -> End:
    """End a target whose patch the server accepted, but did not store completely, only `wrote`."""
    lines = [
        f"{show(path)} is {show_value(found[path])}, wanted {show_value(value)}"
        for path, value in missing.items()
    ]
    stored = {path: value for path, value in (wrote or {}).items() if path not in missing}
    lines += [f"{show(path)} is {show_value(value)}, as wanted" for path, value in stored.items()]
    return End(Reason.NOT_EFFECTIVE, "; ".join(lines), version, wrote)


def unless_same(found: Fields, values: Fields) -> Fields | None:
    """Return `found`, or None if it equals `values`: the run file records differences only."""
    return None if deep_equal(found, values) else found


def outweighs_refusal(step: Step, refused: Reason) -> bool:
    """Return whether the result of a read replaces the refusal of a PATCH.

    Otherwise the target ends with the refusal, even if another writer has changed the object since.
    """
    if refused in _OF_A_200:
        return isinstance(step, End)
    return isinstance(step, End) and step.reason in _OUTWEIGHS_REFUSAL - {refused}


_OF_A_200: Final = frozenset({Reason.ALREADY_SET, Reason.NOT_EFFECTIVE})
"""What a 200 says that may show an old object; a read shows more, unless nothing has changed."""

_OUTWEIGHS_REFUSAL: Final = frozenset(
    {
        Reason.SETTLED_BY_READING,
        Reason.ALREADY_SET,
        Reason.NOT_EFFECTIVE,
        Reason.GONE,
        Reason.REPLACED,
    }
)
