"""The ports: Protocols through which the engine reaches servers, files, clock and log.

| port | implemented by |
|---|---|
| `ListedCluster`, `PatchedCluster` | `fleetpatch.kube.client` |
| `Expressions` | `fleetpatch.evaluation.evaluator` |
| `Journal` | `fleetpatch.journal.runfile` |
| `OwnershipJoin` | `fleetpatch.journal.owned` |
| `Leases` | `fleetpatch.kube.lease` |
| `Clock` | `fleetpatch.engine.clock` |
| `Events` | structlog's bound logger, set up in `fleetpatch.report.logs` |
| `Progress` | `fleetpatch.report.progress` |
| `Monitor` | `fleetpatch.metrics.monitor` |
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from fleetpatch.model.answer import Reply
from fleetpatch.model.change import PatchRequest
from fleetpatch.model.fields import Fields, Json
from fleetpatch.model.lease import LeaseRecord, LeaseReply
from fleetpatch.model.live import ClusterLoad, StatusReport
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import Summary
from fleetpatch.model.target import Seen, Target
from fleetpatch.model.target_line import TargetLine

if TYPE_CHECKING:
    # It imports all sections, which commands that only read run files need not do.
    from fleetpatch.model.plan.schema import Plan


class Page(msgspec.Struct, frozen=True):
    """One page of a LIST.

    `inconsistent` is set if the pages before it were read at another resourceVersion (after a 410
    that carried a continue token, or because the list was restarted). `api_version` and `kind` are
    the list's own, and may be empty. `evaluated` is what expressions yield for each of the items,
    where another process has listed and evaluated: `items` are those that the plan selects, then.
    """

    items: Sequence[Seen]
    inconsistent: bool = False
    api_version: str = ""
    kind: str = ""
    evaluated: "Sequence[Evaluated] | None" = None


class Draft(msgspec.Struct, frozen=True):
    """A target that the survey found, before the journal gives it an id.

    `ends` is None for a target to be patched. A target that needs no patch, or cannot have one,
    ends when it is planned: then `ends` is the reason (`already-set`, `clash`, `exists`,
    `inapplicable`, `unreadable`) and `detail` explains it. `computed` has the values of the
    expressions in a patch body. `owner` is the uid of the selected object that owns a dependent;
    empty for a selected object.
    """

    cluster: str
    resource: Resource
    seen: Seen
    before: Fields
    block: int
    wanted: Fields | None = None
    ends: Reason | None = None
    detail: str = ""
    computed: Fields | None = None
    owner: str = ""


class Owned(msgspec.Struct, frozen=True):
    """A dependent: an object that a selected object owns, at any depth.

    - `number`: its position among those found.
    - `owner`: the uid of the selected object; `document`: that object, if it was kept.
    - `block`: the position of the selected object's block.
    """

    number: int
    resource: Resource
    seen: Seen
    owner: str
    block: int
    document: Json = None


class Subject(msgspec.Struct, frozen=True):
    """An object that expressions are evaluated for, and (of a dependent) the object that owns it.

    Both are in the shape of the API: whole, or with `apiVersion`, `kind` and `metadata` alone.
    """

    namespace: str
    object: Json
    owner: Json = None


class MissingKey(msgspec.Struct, frozen=True):
    """A key that an expression looked up in a table, and that has no row there."""

    table: str
    key: str


class Evaluated(msgspec.Struct, frozen=True):
    """What the expressions of a plan yield for one object.

    `matches` is the value of the block's `where`; if it is False, `values` is empty. `values` has
    the value of each expression of the patch, ABSENT for an absent optional. If `error` is set, it
    says why an expression has no valid value, and the others do not count.
    """

    matches: bool = True
    values: Fields = {}
    error: str = ""
    missing_keys: tuple[MissingKey, ...] = ()


class Expressions(Protocol):
    """Evaluates the expressions of one plan, away from this process."""

    def reads_whole(self, block: int) -> bool:
        """Report whether an expression for the block's objects reads more than their metadata."""
        ...

    def listing(self, cluster: "ListedCluster", block: int, *, complete: bool) -> "ListedCluster":
        """Return the cluster with pages that are evaluated already, if another process can do that.

        Otherwise, return `cluster`. `complete`: all of the objects is needed beside what is
        evaluated.
        """
        ...

    def owner_part(self, owner: Json) -> Json:
        """Return the part of an object that expressions for its dependents read, or None."""
        ...

    async def evaluate(
        self, cluster: str, block: int, subjects: Sequence[Subject]
    ) -> Sequence[Evaluated]:
        """Evaluate the block's `where` and the values of the patch for each object, in order.

        `where` is not evaluated for subjects with an owner: it selects the owners. For the others
        the owner is the object itself. Either all subjects have an owner or none.
        Never raises for what an expression does, only for the surroundings: SurroundingsError.
        """
        ...

    async def matches(self, cluster: str, block: int, subject: Subject) -> Evaluated:
        """Evaluate the block's `where` alone, again. Raises as `evaluate`."""
        ...


class Namespaces(Protocol):
    """The namespaces of all clusters, as expressions see them."""

    async def namespace_object(self, cluster: str, namespace: str) -> Json:
        """Return the namespace with its metadata, or None. Raises ClusterError."""
        ...


class ListedCluster(Protocol):
    """One API server that is only listed."""

    name: str
    server: str

    async def resources(self) -> Sequence[Resource]:
        """Return all served resources. Raises ClusterError or CredentialsError."""
        ...

    async def namespaces(self) -> Sequence[str]:
        """Return the names of all namespaces. Raises ClusterError or CredentialsError."""
        ...

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        selector: str,
        field_selector: str,
        whole: bool,
        metadata: bool = False,
        managed: bool = False,
    ) -> AsyncIterator[Page]:
        """List page by page: labels and annotations, or (`whole`) whole objects.

        `metadata` keeps all metadata of each object but managedFields, `managed` keeps
        managedFields. `namespace` None lists all.

        Raises ClusterError or CredentialsError.
        """
        ...


class PatchedCluster(Protocol):
    """One API server whose objects are patched and read by name."""

    name: str

    async def get(self, target: Target, *, whole: bool) -> Reply:
        """GET the object by name: its metadata, or (`whole`) all of it."""
        ...

    async def patch(
        self, target: Target, request: PatchRequest, *, whole: bool, dry_run: bool
    ) -> Reply:
        """Send one PATCH; the answer contains the object's metadata, or (`whole`) all of it.

        Never retries, and never raises for what the server or the network does.
        """
        ...

    async def renew(self) -> bool:
        """Renew the credentials after a 401; concurrent calls share one renewal.

        Returns whether they may differ from the refused ones, so that a retry makes sense.
        """
        ...


class Journal(Protocol):
    """The run file, as the engine uses it.

    It has one writer, and calls never overlap: the engine's writer makes them one after another.
    """

    def add(self, drafts: Iterable[Draft]) -> None:
        """Add the targets of a page in one transaction; an object added before stays one target."""
        ...

    def found(self) -> int:
        """Return the number of distinct objects added so far."""
        ...

    def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """Claim the next pending targets of a cluster in the order of ids, durably.

        Claims only ids above `after` and up to `last`, and at most `limit` targets. An empty result
        means that none are left.
        """
        ...

    def release(self, targets: Iterable[Target]) -> None:
        """Return claimed targets to pending; only if no PATCH of them can have been applied."""
        ...

    def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        """Return claimed targets without an outcome with ids above `after`, in their order."""
        ...

    def record(self, settlements: Iterable[Settlement]) -> None:
        """Commit outcomes in one durable transaction."""
        ...


class OwnershipJoin(Protocol):
    """Joins objects with their owners over uids, in the run file, while a run is planned."""

    def keep_owners(self, cluster: str, documents: Mapping[str, Json]) -> None:
        """Keep selected objects by their uids, for the expressions of their dependents."""
        ...

    def select(self, cluster: str) -> None:
        """Take the drafts of a cluster so far as its selected objects."""
        ...

    def add(self, cluster: str, resource: Resource, items: Sequence[Seen], *, wanted: bool) -> None:
        """Add objects that others own; only `wanted` ones can be dependents."""
        ...

    def unknown_owners(self, cluster: str) -> Sequence[tuple[str, str]]:
        """Return apiVersion and kind of owners that are neither selected nor owned themselves."""
        ...

    def find(self, cluster: str, block: int, kinds: Collection[Resource]) -> None:
        """Find the objects of `kinds` that a selected object of a block owns, at any depth."""
        ...

    def found(self, cluster: str, after: int, limit: int) -> Sequence[Owned]:
        """Return dependents that were found, in their order, from the one after `after`."""
        ...


class Leases(Protocol):
    """One Lease on one API server. Never raises for what the server or the network does."""

    async def read(self) -> LeaseReply:
        """GET the Lease."""
        ...

    async def create(self, record: LeaseRecord) -> LeaseReply:
        """Create the Lease; CONFLICT if it exists already."""
        ...

    async def update(self, record: LeaseRecord, version: str) -> LeaseReply:
        """Update the Lease; CONFLICT if its resourceVersion is not `version` any more."""
        ...


class Clock(Protocol):
    """Time as an argument, so that tests can use virtual time."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps back."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; zero or less only yields to other tasks."""
        ...


class Events(Protocol):
    """The structured log."""

    def info(self, event: str, **fields: Any) -> Any:
        """Log an event."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Log an event that a person should look at."""
        ...

    def targets(self, level: str, event: str, lines: Iterable[TargetLine]) -> None:
        """Log an event of many targets, a line for each; `level` is `info` or `warning`."""
        ...

    def flush(self) -> None:
        """Write all lines to the operating system. Raises LogError, as the other methods may."""
        ...


class Progress(Protocol):
    """Display of a run's progress; counts are increments."""

    def planned(self, found: int) -> None:
        """The survey found `found` more objects."""
        ...

    def settled(self, outcome: Outcome, count: int) -> None:
        """`count` more targets ended with `outcome`."""
        ...

    def retried(self) -> None:
        """One more attempt will be retried."""
        ...

    def limited(self, place: str, what: str) -> None:
        """Show what limits a cluster, or ("") what the run waits for; empty: nothing does."""
        ...

    def wave(self, number: int, of: int, starts_at: float | None) -> None:
        """A wave begins, or is awaited until `starts_at` (seconds since the epoch)."""
        ...

    def reported(self, report: StatusReport) -> None:
        """About once a second: the status of the run."""
        ...


class Monitor(Protocol):
    """Shows a command to machines, as by metrics."""

    @property
    def problems(self) -> Sequence[str]:
        """What could not be shown since the command began, a line for each place."""
        ...

    def planned(self, plan: "Plan") -> None:
        """The plan of the command is known. Raises UsageError if it cannot be shown."""
        ...

    def summarized(self, summary: Summary) -> None:
        """The run of the command is known, or has ended. Raises as `planned`."""
        ...

    def reported(
        self, report: StatusReport, loads: Callable[[], Mapping[str, ClusterLoad]]
    ) -> None:
        """About once a second: the status of the run; `loads` returns that of its clusters."""
        ...
