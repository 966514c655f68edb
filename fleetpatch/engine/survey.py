"""The survey: selectors expanded into targets, page by page.

While a page is decided upon and written to the run file, the next one is asked for; memory
holds a few pages, never the fleet. Several sweeps run side by side, so that a slow list does not
keep the others waiting.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.model.change import MetadataChange, PlanChange, reads_whole
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Cluster, Draft, Page, Progress
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.rules.planning.guards import refuse_too_many
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, need

SIDE_BY_SIDE = 4
"""Lists under way at once on one cluster: they hide its latency and are not felt by others."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list to be made; `block` is its place in the plan's `targets`, `namespace` None is all."""

    cluster: Cluster
    block: int
    resource: Resource
    namespace: str | None
    selector: str
    field_selector: str

    def __str__(self) -> str:
        place = f"namespace {self.namespace}" if self.namespace else "all namespaces"
        return f"{self.resource.name} in {place} of {self.cluster.name}"


class Survey:
    """Carries sweeps out; `releases` are those of the clusters ("1.20") where they are known.

    `found` counts objects listed, `inconsistent` the clusters concerned, `clashes` the objects that
    cannot be had because of one; `first_clash` says which and why.
    """

    def __init__(
        self,
        change: PlanChange,
        writer: JournalWriter,
        progress: Progress,
        *,
        max_targets: int | None,
        releases: Mapping[str, str] | None = None,
    ) -> None:
        self._change = change
        self._releases = releases or {}
        self._scribe = writer
        self._progress = progress
        self._max_targets = max_targets
        self.found = 0
        self.inconsistent: Counter[str] = Counter()
        self.clashes = 0
        self.first_clash = ""

    async def run(self, sweeps: Sequence[ListQuery]) -> None:
        """List all; raises what a cluster or the journal raises, and Refused past `max_targets`."""
        limiters: dict[str, anyio.CapacityLimiter] = {}
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for sweep in sweeps:
                    name = sweep.cluster.name
                    limiter = limiters.setdefault(name, anyio.CapacityLimiter(SIDE_BY_SIDE))
                    tasks.start_soon(self._sweep, sweep, limiter)

    async def _sweep(self, sweep: ListQuery, limiter: anyio.CapacityLimiter) -> None:
        async with limiter, anyio.create_task_group() as tasks:
            listed, pages = anyio.create_memory_object_stream[Page]()
            tasks.start_soon(self._list, sweep, listed)
            async with pages:
                async for page in pages:
                    await self._take(sweep, page)

    async def _list(self, sweep: ListQuery, listed: MemoryObjectSendStream[Page]) -> None:
        """Hand over page by page; the next one is asked for while this one is written."""
        async with listed:
            async for page in sweep.cluster.pages(
                sweep.resource,
                namespace=sweep.namespace,
                selector=sweep.selector,
                field_selector=sweep.field_selector,
                whole=reads_whole(self._change),
            ):
                await listed.send(page)

    async def _take(self, sweep: ListQuery, page: Page) -> None:
        if page.inconsistent:
            self.inconsistent[sweep.cluster.name] += 1
        await self._scribe.add([self._draft(sweep, seen) for seen in page.items])
        self.found += len(page.items)
        self._progress.planned(len(page.items))
        if self._max_targets is not None and self.found > self._max_targets:
            # Blocks that overlap list an object more than once; only the journal knows.
            refuse_too_many(await self._scribe.found(), self._max_targets)

    def _draft(self, sweep: ListQuery, seen: Seen) -> Draft:
        cluster, resource, block = sweep.cluster.name, sweep.resource, sweep.block
        rules = merge_rules(resource, self._releases.get(cluster, ""))
        match need(self._change, seen, rules):
            case NeedsPatch(before=before, wanted=wanted):
                # What follows from the before-values need not be kept.
                kept = None if isinstance(self._change, MetadataChange) else wanted
                return Draft(cluster, resource, seen, before, block, kept)
            case Unchanged(before=before):
                return Draft(cluster, resource, seen, before, block, ends=Reason.ALREADY_SET)
            case DoesNotFit(reason=reason, before=before, detail=detail):
                if reason is Reason.CLASH:
                    self._note_clash(sweep, seen, detail)
                return Draft(cluster, resource, seen, before, block, ends=reason, detail=detail)

    def _note_clash(self, sweep: ListQuery, seen: Seen, detail: str) -> None:
        self.clashes += 1
        if not self.first_clash:
            self.first_clash = f"{sweep.resource.name} {seen.namespace}/{seen.name}: {detail}"
