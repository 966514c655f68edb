"""The fields of a line of the log that says how a target ended."""

import msgspec

from fleetpatch.model.outcome import Reason


class TargetLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the line has beside its event, in this order; docs/reference.md ("Log") explains it.

    A type of its own, since a run writes such a line for each target, and few others.
    """

    cluster: str
    kind: str
    namespace: str
    name: str
    uid: str
    reason: Reason
    http_status: int | None
    attempts: int
    elapsed_ms: float
    detail: str = ""
