"""What follows an answer about a target: the target ends, or a PATCH is sent."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from fleetpatch.model.fields import Fields
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
