"""A log that may fail without taking the record with it.

What is in flight when the log breaks must still be recorded, so the first failure is reported once,
to who can stop the run, and from then on nothing more is said.

What the log says of a target's end; the fields are an interface (docs/reference.md, "Log").
"""

from collections.abc import Callable
from typing import Any

from fleetpatch.errors import LogError
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.ports import Events
from fleetpatch.model.target import Target


class FailsafeLog:
    """Keeps the port Events over another; `on_failure` is told the first error, in one line."""

    def __init__(self, events: Events, on_failure: Callable[[str], None]) -> None:
        self._events = events
        self._on_failure = on_failure
        self._failed = False

    def info(self, event: str, **fields: Any) -> None:
        """Narrate, if the log still works."""
        self._try(lambda: self._events.info(event, **fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Narrate what a person should look at, if the log still works."""
        self._try(lambda: self._events.warning(event, **fields))

    def flush(self) -> None:
        """Hand all lines to the operating system, if the log still works."""
        self._try(self._events.flush)

    def _try(self, say: Callable[[], Any]) -> None:
        if self._failed:
            return
        try:
            say()
        except LogError as error:
            self._failed = True
            self._on_failure(str(error))


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
