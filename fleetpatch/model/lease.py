"""What a `coordination.k8s.io/v1` Lease says, and what comes back when it is asked for.

A Lease names who may act now. Its times were written by its holder's clock and are shown to people
only: whoever wants to know whether a holder is alive watches the record change.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease's `spec`.

    `holder` is empty where nobody holds it. `seconds` is how long others leave it alone after they
    saw it change last; 0 where it does not say. `acquired` and `renewed` are RFC 3339 in UTC or
    empty, `transitions` counts the changes of holder.
    """

    holder: str = ""
    seconds: int = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as the server has it; `version` is the resourceVersion that the next write names."""

    record: LeaseRecord
    version: str


class LeaseMiss(Enum):
    """An answer that shows no Lease, and says why."""

    ABSENT = auto()
    """There is none of that name."""
    CONFLICT = auto()
    """It was not written: somebody else wrote it first."""


@dataclass(frozen=True, slots=True)
class LeaseTrouble:
    """Nothing is known of the Lease; a write may have been stored.

    `detail` is one line for people. `passing` tells whether asking again may help by itself.
    """

    detail: str
    passing: bool = True


LeaseReply: TypeAlias = Lease | LeaseMiss | LeaseTrouble
