"""Counters of requests and answers, for tests and benchmarks."""

from collections import Counter
from dataclasses import dataclass, field

from fleetpatch.model.fields import Json


@dataclass(slots=True)
class RequestCounters:
    """Counts since the start. Requests to `/_sandbox/` itself are not counted.

    `verbs` has the API's verbs, and `other` for discovery and health. `statuses` has the statuses
    of the answers, and 0 for answers that a fault kept from the client.
    """

    verbs: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    patches: Counter[str] = field(default_factory=Counter)
    """PATCH requests by path."""
    logins: int = 0
    """Tokens that IAM issued (CCI mode)."""
    in_flight: int = 0
    max_in_flight: int = 0

    def began(self, verb: str, path: str) -> None:
        """Count a request that was received."""
        self.verbs[verb] += 1
        # By path, so that tests can show that no object was patched twice.
        if verb == "patch":
            self.patches[path] += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def ended(self, status: int) -> None:
        """Count the status of an answer; 0 if the request was not answered."""
        self.in_flight -= 1
        self.statuses[status] += 1

    def logged_in(self) -> None:
        """Count a token that IAM issued."""
        self.logins += 1

    def document(self) -> Json:
        """All counters as JSON, except `patches`."""
        return {
            "requests": dict(self.verbs),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "logins": self.logins,
            "inFlight": self.in_flight,
            "maxInFlight": self.max_in_flight,
        }
