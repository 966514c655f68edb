"""The survey: lists objects page by page, and adds a draft of a target for each to the run file.

While a page is evaluated and written, the next one is requested; memory holds a few pages, never
the fleet. Several queries run concurrently, so that a slow list does not delay the others.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectSendStream
from msgspec.structs import replace

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import UnreachableError
from fleetpatch.model.change import BodyPatch, MetadataChange, PlanChange, reads_whole
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import (
    Draft,
    Evaluated,
    Expressions,
    ListedCluster,
    Owned,
    OwnershipJoin,
    Page,
    Progress,
)
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from fleetpatch.rules.patching.computed import LiteralChanges
from fleetpatch.rules.patching.merge_rules import UNTYPED, MergeRules
from fleetpatch.rules.patching.merging import RunMerging
from fleetpatch.rules.planning.computed import (
    ExpressionErrors,
    is_found,
    problem_of_values,
    subject_of,
)
from fleetpatch.rules.planning.guards import refuse_too_many
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, need

CONCURRENT_LISTS = 4
"""Lists at a time on one cluster: enough to hide its latency, too few to burden its other users."""

MAX_LISTED_BY_NAME: Final = 100
"""Named objects of a kind in a namespace up to which each has a request of its own.

A page has 500 objects and takes a server several times as long as one object. So above this number
a list costs less, unless the namespace has tens of thousands of other objects.
"""

_LISTS_IN_ALL = 64
"""Lists at a time on all clusters of a large fleet: each holds up to two pages in memory. Each
cluster has one in any case, so that a slow cluster does not delay another one."""


class ListQuery(msgspec.Struct, frozen=True):
    """A list to request; `block` is its index in the plan's `targets`, `namespace` None is all.

    With `names` only these objects are wanted.
    """

    cluster: ListedCluster
    block: int
    resource: Resource
    namespace: str | None
    selector: str
    field_selector: str
    names: frozenset[str] = frozenset()

    @property
    def field_selectors(self) -> Sequence[str]:
        """The field selector of each request: one for each of a few names.

        A server answers a list of one name from its key, as it answers a GET.
        """
        if not self.names or len(self.names) > MAX_LISTED_BY_NAME:
            return (self.field_selector,)
        own = (self.field_selector,) if self.field_selector else ()
        return [",".join((f"metadata.name={name}", *own)) for name in sorted(self.names)]

    def wants(self, seen: Seen) -> bool:
        """Report whether an object of the list is wanted."""
        return not self.names or seen.name in self.names

    def __str__(self) -> str:
        place = f"namespace {self.namespace}" if self.namespace else "all namespaces"
        return f"{self.resource.name} in {place} of {self.cluster.name}"


class KeptOwners(msgspec.Struct, frozen=True):
    """Where the selected objects of these blocks are kept, for the expressions of dependents."""

    join: OwnershipJoin
    blocks: Collection[int]


class Survey:
    """Runs list queries; `merging` is what is known of how the clusters merge.

    `named` has block, cluster, namespace and name of the objects found by queries with names.
    `found` counts the objects listed, `inconsistent` the inconsistent pages by cluster, `clashes`
    the objects whose values clash with the patch; `first_clash` names the first, and the cause.
    `expressions` are evaluated for the objects of each page, before what they need is decided;
    `errors` collects the objects for which that fails. `owners` keeps objects that own dependents.
    `on_unreachable` is called with a cluster that stops to answer, and may raise. If it does not,
    the cluster is `lost`, and its drafts are not complete.
    """

    def __init__(
        self,
        change: PlanChange,
        writer: JournalWriter,
        progress: Progress,
        *,
        max_targets: int | None,
        merging: RunMerging | None = None,
        on_unreachable: Callable[[str, UnreachableError], None] | None = None,
        expressions: Expressions | None = None,
        owners: KeptOwners | None = None,
    ) -> None:
        self._change = change
        self._owners = owners
        self._merging = merging or RunMerging()
        self._writer = writer
        self._progress = progress
        self._max_targets = max_targets
        self._allowed = max_targets or 0
        self._counting = anyio.Lock()
        self._on_unreachable = on_unreachable
        self._expressions = expressions
        self._literals = LiteralChanges(change)
        self.errors = ExpressionErrors()
        self.lost: set[str] = set()
        self.found = 0
        self.named: set[tuple[int, str, str, str]] = set()
        self.inconsistent: Counter[str] = Counter()
        self.clashes = 0
        self.first_clash = ""

    async def run(self, list_queries: Sequence[ListQuery]) -> None:
        """Run all queries. Raises as cluster and journal do, and Refused above `max_targets`."""
        # One for each cluster: a slow cluster must not delay the lists of another one.
        limiters: dict[str, anyio.CapacityLimiter] = {}
        names = {query.cluster.name for query in list_queries}
        lists = max(1, min(CONCURRENT_LISTS, _LISTS_IN_ALL // max(1, len(names))))
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for query in list_queries:
                    name = query.cluster.name
                    limiter = limiters.setdefault(name, anyio.CapacityLimiter(lists))
                    tasks.start_soon(self._run_query, query, limiter)

    async def _run_query(self, query: ListQuery, limiter: anyio.CapacityLimiter) -> None:
        async with limiter, anyio.create_task_group() as tasks:
            if query.cluster.name in self.lost:
                return
            # Unbuffered: one page is written while the next one waits, and no third is requested.
            listed, pages = anyio.create_memory_object_stream[Page]()
            tasks.start_soon(self._list, query, listed)
            async with pages:
                async for page in pages:
                    await self._add_page(query, page)

    async def _list(self, query: ListQuery, listed: MemoryObjectSendStream[Page]) -> None:
        """Send page by page; the next page is requested while this one is written."""
        async with listed:
            try:
                cluster = self._listing(query)
                for field_selector in query.field_selectors:
                    pages = cluster.pages(
                        query.resource,
                        namespace=query.namespace,
                        selector=query.selector,
                        field_selector=field_selector,
                        whole=self.reads_whole(query.block),
                        metadata=self.has_expressions,
                    )
                    async for page in pages:
                        await listed.send(self._wanted(query, page))
            except UnreachableError as error:
                self.lose(query.cluster.name, error)

    def _listing(self, query: ListQuery) -> ListedCluster:
        """Return what lists for a query, which may evaluate as well."""
        # Objects that are named are counted as found whatever `where` says of them.
        if self._expressions is None or query.names:
            return query.cluster
        is_owner = self._owners is not None and query.block in self._owners.blocks
        complete = is_owner or reads_whole(self._change)
        return self._expressions.listing(query.cluster, query.block, complete=complete)

    def lose(self, cluster: str, error: UnreachableError) -> None:
        """Leave out a cluster that stops to answer. Raises `error` if the plan does not skip it."""
        if self._on_unreachable is None:
            raise error
        self._on_unreachable(cluster, error)
        self.lost.add(cluster)

    def _wanted(self, query: ListQuery, page: Page) -> Page:
        """Return the page without the objects that a query with names does not want."""
        if not query.names:
            return page
        items = [seen for seen in page.items if query.wants(seen)]
        for seen in items:
            self.named.add((query.block, query.cluster.name, seen.namespace, seen.name))
        return replace(page, items=items)

    async def _add_page(self, query: ListQuery, page: Page) -> None:
        if page.inconsistent:
            self.inconsistent[query.cluster.name] += 1
        if self._expressions is None:
            drafts = [self._draft(query, seen, self._change) for seen in page.items]
        else:
            drafts = await self._computed_drafts(query, page, self._expressions)
        await self._add(drafts)

    async def add_owned(self, query: ListQuery, owned: Sequence[Owned]) -> None:
        """Add the drafts of dependents; `query` has their kind, and the block of their owners."""
        items = [one.seen for one in owned]
        if self._expressions is None:
            drafts = [self._draft(query, seen, self._change) for seen in items]
        else:
            # Not None, which would mean a selected object, even if no expression reads the owner.
            subjects = [
                replace(subject_of(query.resource, one.seen), owner=one.document or {})
                for one in owned
            ]
            results = await self._expressions.evaluate(query.cluster.name, query.block, subjects)
            pairs = zip(items, results, strict=True)
            drafts = [self._computed_draft(query, seen, result) for seen, result in pairs]
        owners = (one.owner for one in owned)
        pairs_of = zip(drafts, owners, strict=True)
        await self._add([replace(draft, owner=owner) for draft, owner in pairs_of])

    def reads_whole(self, block: int) -> bool:
        """Report whether whole objects must be listed for a block, and not just their metadata."""
        computed = self._expressions
        return reads_whole(self._change) or bool(computed and computed.reads_whole(block))

    @property
    def has_expressions(self) -> bool:
        """Whether values follow from objects by expressions."""
        return self._expressions is not None

    async def _add(self, drafts: Sequence[Draft]) -> None:
        # Written before it is counted, so that the progress never shows more than is recorded.
        await self._writer.add(drafts)
        self.found += len(drafts)
        self._progress.planned(len(drafts))
        if self._max_targets is not None:
            await self._refuse_more_than(self._max_targets)

    async def _refuse_more_than(self, max_targets: int) -> None:
        async with self._counting:
            if self.found > self._allowed:
                # Blocks may overlap, so `found` may count an object twice; the journal does not.
                distinct = await self._writer.found()
                refuse_too_many(distinct, max_targets)
                # Counting reads all, so it is repeated only when there can be too many.
                self._allowed = self.found + max_targets - distinct

    async def _computed_drafts(
        self, query: ListQuery, page: Page, expressions: Expressions
    ) -> list[Draft]:
        """Return the drafts of the objects that match; those whose expressions fail have ended."""
        results = page.evaluated
        if results is None:
            subjects = [subject_of(query.resource, seen) for seen in page.items]
            results = await expressions.evaluate(query.cluster.name, query.block, subjects)
        found = [one for one in zip(page.items, results, strict=True) if is_found(one[1])]
        if self._owners is not None and query.block in self._owners.blocks:
            part = expressions.owner_part
            documents = {
                seen.uid: kept
                for seen, _ in found
                if (kept := part(subject_of(query.resource, seen).object)) is not None
            }
            keep, cluster = self._owners.join.keep_owners, query.cluster.name
            await self._writer.write(lambda: keep(cluster, documents))
        return [self._computed_draft(query, seen, result) for seen, result in found]

    def _computed_draft(self, query: ListQuery, seen: Seen, result: Evaluated) -> Draft:
        problem = result.error or problem_of_values(self._change, seen, result.values)
        if problem:
            name = namespaced_name(seen.namespace, seen.name)
            where = f"{query.resource.name} {name} in cluster {query.cluster.name}"
            self.errors.add(where, problem, result.missing_keys)
            return Draft(
                query.cluster.name,
                query.resource,
                seen,
                {},
                query.block,
                ends=Reason.INAPPLICABLE,
                detail=problem,
            )
        draft = self._draft(query, seen, self._literals.of(result.values))
        if isinstance(self._change, BodyPatch) and self._change.expressions and not draft.ends:
            return replace(draft, computed=result.values)
        return draft

    def _draft(self, query: ListQuery, seen: Seen, change: PlanChange) -> Draft:
        cluster, resource, block = query.cluster.name, query.resource, query.block
        match need(change, seen, self._rules(query)):
            case NeedsPatch(before=before, wanted=wanted):
                # The wanted values of a literal metadata change are not stored: they follow from
                # the plan and `before`.
                follow = isinstance(change, MetadataChange) and not self._change.expressions
                kept = None if follow else wanted
                return Draft(cluster, resource, seen, before, block, kept)
            case Unchanged(before=before):
                return Draft(cluster, resource, seen, before, block, ends=Reason.ALREADY_SET)
            case DoesNotFit(reason=reason, before=before, detail=detail):
                if reason is Reason.CLASH:
                    self._note_clash(query, seen, detail)
                return Draft(cluster, resource, seen, before, block, ends=reason, detail=detail)

    def _rules(self, query: ListQuery) -> MergeRules:
        """Return the merge rules for the query's resource, which only a body needs."""
        # Loading the tables takes time, so that is not done for labels.
        if not isinstance(self._change, BodyPatch):
            return UNTYPED
        return self._merging.at(query.cluster.name).rules(query.resource)

    def _note_clash(self, query: ListQuery, seen: Seen, detail: str) -> None:
        self.clashes += 1
        if not self.first_clash:
            name = namespaced_name(seen.namespace, seen.name)
            self.first_clash = f"{query.resource.name} {name}: {detail}"
