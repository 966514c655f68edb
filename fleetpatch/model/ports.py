"""The promises between the engine and the world; each is kept in one folder of floor 4.

| port | kept by |
|---|---|
| `Cluster` | `fleetpatch.kube.client` |
| `Journal` | `fleetpatch.journal.runfile` |
| `Leases` | `fleetpatch.kube.lease` |
| `Clock` | `fleetpatch.engine.clock` |
| `Events` | structlog's bound logger, set up in `fleetpatch.report.logs` |
| `Progress` | `fleetpatch.report.progress` |
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleetpatch.model.answer import Reply
from fleetpatch.model.change import PatchRequest
from fleetpatch.model.fields import Fields
from fleetpatch.model.lease import LeaseRecord, LeaseReply
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen, Target


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a LIST.

    `inconsistent` is set where the pages before it were taken at another version (a 410 whose body
    carried a token to go on with, or a list that was started again). `api_version` and `kind` are
    what the list says of itself, which may be nothing.
    """

    items: Sequence[Seen]
    inconsistent: bool = False
    api_version: str = field(default="", compare=False)
    kind: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A target as the survey hands it to the journal, which numbers it.

    `ends` is None for a target that is to be patched, or the reason (`already-set`, `clash`,
    `inapplicable`, `unreadable`) of one that ends where it is planned; `detail` then says more.
    """

    cluster: str
    resource: Resource
    seen: Seen
    before: Fields
    block: int
    wanted: Fields | None = None
    ends: Reason | None = None
    detail: str = ""


class Cluster(Protocol):
    """One API server."""

    name: str
    server: str

    async def resources(self) -> Sequence[Resource]:
        """All that the server serves. Raises ClusterError or CredentialsError."""
        ...

    async def namespaces(self) -> Sequence[str]:
        """The names of all namespaces. Raises ClusterError or CredentialsError."""
        ...

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        selector: str,
        field_selector: str,
        whole: bool,
    ) -> AsyncIterator[Page]:
        """List page by page, metadata or (`whole`) all of each object; `namespace` None lists all.

        Raises as `resources`.
        """
        ...

    async def read(self, target: Target, *, whole: bool) -> Reply:
        """GET the object by name: its metadata, or all of it."""
        ...

    async def patch(
        self, target: Target, request: PatchRequest, *, whole: bool, dry_run: bool
    ) -> Reply:
        """Send one PATCH. Never retries and never raises for what the server does.

        The answer shows the object's metadata, or (`whole`) all of it.
        """
        ...

    async def renew(self) -> bool:
        """Get fresh credentials after a 401, once for all who ask at the same time.

        True where they may differ from those refused.
        """
        ...


class Journal(Protocol):
    """The run file, as the engine sees it. One writer; calls do not overlap."""

    def add(self, drafts: Iterable[Draft]) -> None:
        """Add what a page brought, in one transaction; an object added before stays one target."""
        ...

    def found(self) -> int:
        """Count the objects added so far, each once."""
        ...

    def claim(
        self, cluster: str, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """Claim the next pending targets of a cluster, durably, by id: above `after`, up to `last`.

        Empty when there are none.
        """
        ...

    def release(self, targets: Iterable[Target]) -> None:
        """Give back claimed targets of which nothing can have been applied; they are pending."""
        ...

    def in_doubt(self, cluster: str, after: int, limit: int) -> Sequence[Target]:
        """Claimed targets without an outcome whose id is greater than `after`, by id."""
        ...

    def record(self, settlements: Iterable[Settlement]) -> None:
        """Commit outcomes in one durable transaction."""
        ...


class Leases(Protocol):
    """One Lease of one API server. Nothing raises for what the server or the network does."""

    async def read(self) -> LeaseReply:
        """Look at it."""
        ...

    async def create(self, record: LeaseRecord) -> LeaseReply:
        """Make it; CONFLICT where there is one already."""
        ...

    async def update(self, record: LeaseRecord, version: str) -> LeaseReply:
        """Write it; CONFLICT where it is not at `version` any more."""
        ...


class Clock(Protocol):
    """Time, as an argument."""

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so long; with less than nothing to wait, only let others run."""
        ...


class Events(Protocol):
    """The structured log."""

    def info(self, event: str, **fields: Any) -> Any:
        """Narrate."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Narrate what a person should look at."""
        ...

    def flush(self) -> None:
        """Hand all lines to the operating system. Raises LogError, as the others may."""
        ...


class Progress(Protocol):
    """Somebody who watches the run."""

    def planned(self, found: int) -> None:
        """So many more objects were found by the survey."""
        ...

    def settled(self, outcome: Outcome, count: int) -> None:
        """So many more targets ended so."""
        ...

    def retried(self) -> None:
        """One more attempt is to be made again."""
        ...

    def limited(self, place: str, what: str) -> None:
        """What holds `place` (a cluster; empty: the run) back now; empty where nothing does."""
        ...
