"""What the log says of a target's end; the fields are an interface (docs/reference.md, "Log")."""

from typing import Any

from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.ports import Events
from fleetpatch.model.target import Target


def tell(events: Events, target: Target, settlement: Settlement) -> None:
    """Write the line for one settled target. Raises LogError, as `events` does."""
    fields: dict[str, Any] = {
        "cluster": target.cluster,
        "kind": target.resource.name,
        "namespace": target.namespace,
        "name": target.name,
        "uid": target.uid,
        "reason": settlement.reason,
        "http_status": settlement.http_status,
        "attempts": settlement.attempts,
        "elapsed_ms": settlement.elapsed_ms,
    }
    if settlement.detail:
        fields["detail"] = settlement.detail
    write = events.warning if settlement.outcome is Outcome.FAILED else events.info
    write(f"target.{settlement.outcome}", **fields)
