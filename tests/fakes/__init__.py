"""Fakes for the ports of `fleetpatch.model.ports`, and samples of the values they exchange.

`VirtualClock` lets hours pass in no time. `FakeCluster` answers from a script or from a store that
treats a PATCH as an API server does (`ObjectStore` has only labels, `DocumentStore` whole objects).
`FakeJournal` is a run file in memory that checks its caller. `FakeEvents` and `FakeProgress` record
their calls.
"""

from .clock import VirtualClock
from .cluster import Answerer, Call, FakeCluster, always, in_turn
from .documents import DocumentStore, document, seen_whole
from .journal import FakeJournal
from .recorders import FakeEvents, FakeProgress
from .samples import JOB_RULES, JOBS, failure, ok, seen_job, target_of, target_with
from .store import ObjectStore

__all__ = [
    "JOBS",
    "JOB_RULES",
    "Answerer",
    "Call",
    "DocumentStore",
    "FakeCluster",
    "FakeEvents",
    "FakeJournal",
    "FakeProgress",
    "ObjectStore",
    "VirtualClock",
    "always",
    "document",
    "failure",
    "in_turn",
    "ok",
    "seen_job",
    "seen_whole",
    "target_of",
    "target_with",
]
