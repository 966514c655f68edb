"""A `coordination.k8s.io/v1` Lease, and the possible results of a request for it.

A Lease names the process that may act now. Its timestamps come from its holder's clock and are only
shown to people. Whether the holder is alive is decided by watching the record change, as client-go
does, because the clocks of two machines may differ.
"""

from enum import Enum, auto
from typing import Final, TypeAlias

import msgspec

MAX_DURATION: Final = 600
"""Seconds; others wait that long after the holder has crashed, and for no longer duration."""


class LeaseRecord(msgspec.Struct, frozen=True):
    """A Lease's `spec`.

    `holder` is empty if the Lease is not held. `seconds` is how long others wait after they last
    saw it change; 0 if absent. `acquired` and `renewed` are RFC 3339 in UTC or empty, `transitions`
    counts the changes of holder.
    """

    holder: str = ""
    seconds: int = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0


class Lease(msgspec.Struct, frozen=True):
    """A Lease on the server; `version` is the resourceVersion that the next write must carry."""

    record: LeaseRecord
    version: str


class LeaseMiss(Enum):
    """An answer without a Lease, and its reason."""

    ABSENT = auto()
    """It does not exist."""
    CONFLICT = auto()
    """It was not written, because its resourceVersion has changed."""


class LeaseTrouble(msgspec.Struct, frozen=True):
    """The state of the Lease is unknown; a write may have been stored.

    `detail` is one line for people. `passing` is set if another request may succeed.
    """

    detail: str
    passing: bool = True


LeaseReply: TypeAlias = Lease | LeaseMiss | LeaseTrouble
