"""Fakes for the ports of `fleetpatch.model.ports`, and samples of the values they exchange.

`VirtualClock` makes hours pass in no time; `FakeCluster` answers from a script or from an
`ObjectStore`, which behaves as an API server does towards one PATCH; `FakeJournal` is a run file in
memory that checks its caller; `FakeEvents` and `FakeProgress` write down what they are told.
"""

from .clock import VirtualClock
from .cluster import Answerer, Call, FakeCluster, always, in_turn
from .journal import FakeJournal
from .samples import JOBS, failure, ok, seen_job, target_of
from .store import ObjectStore
from .watchers import FakeEvents, FakeProgress

__all__ = [
    "JOBS",
    "Answerer",
    "Call",
    "FakeCluster",
    "FakeEvents",
    "FakeJournal",
    "FakeProgress",
    "ObjectStore",
    "VirtualClock",
    "always",
    "failure",
    "in_turn",
    "ok",
    "seen_job",
    "target_of",
]
