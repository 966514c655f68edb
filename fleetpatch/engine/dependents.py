"""Finds what the selected objects own, at any depth, after they were listed.

The kinds of the dependents are listed page by page, with who owns them. Where an owner is not a
selected object, its kind is listed, too, since it may be owned by one (CronJob, Job, Pod). Each
kind is listed once, until no unknown one is left. The join over uids is done in the run file.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby

import anyio
import msgspec

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.survey import CONCURRENT_LISTS, ListQuery, Survey
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, UnreachableError
from fleetpatch.model.ports import ListedCluster, OwnershipJoin
from fleetpatch.model.resource import Resource

_PAGE = 500
"""Dependents that are evaluated at a time."""


class Dependents(msgspec.Struct, frozen=True):
    """What to look for on a cluster.

    `kinds` are those of the dependents, by the position of the block that selects their owners.
    `namespaces` are those of the blocks; None is all of them.
    """

    cluster: ListedCluster
    kinds: Mapping[int, Collection[Resource]]
    namespaces: Sequence[str | None]


class DependentSurvey:
    """Adds the dependents of the objects that `survey` has found; `warn` shows what is not known.

    Raises as `Survey.run`.
    """

    def __init__(
        self,
        survey: Survey,
        writer: JournalWriter,
        join: OwnershipJoin,
        warn: Callable[[str], None],
    ) -> None:
        self._survey = survey
        self._writer = writer
        self._join = join
        self._warn = warn

    async def run(self, searches: Sequence[Dependents]) -> None:
        """Find the dependents of all clusters."""
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for search in searches:
                    tasks.start_soon(self._search, search)

    async def _search(self, search: Dependents) -> None:
        name = search.cluster.name
        if name in self._survey.lost:
            return
        try:
            await self._writer.write(lambda: self._join.select(name))
            await self._list_kinds(search)
            await self._list_owners(search)
        except UnreachableError as error:
            self._survey.lose(name, error)
            return
        for block, kinds in search.kinds.items():
            await self._writer.write(lambda: self._join.find(name, block, kinds))  # noqa: B023 # awaited
        after = 0
        while found := await self._writer.write(lambda: self._join.found(name, after, _PAGE)):  # noqa: B023 # awaited
            for (resource, block), owned in groupby(found, lambda one: (one.resource, one.block)):
                query = ListQuery(search.cluster, block, resource, None, "", "")
                await self._survey.add_owned(query, list(owned))
            after = found[-1].number

    async def _list_kinds(self, search: Dependents) -> None:
        """List the kinds of the dependents, several lists at a time."""
        whole = any(map(self._survey.reads_whole, search.kinds))
        limiter = anyio.CapacityLimiter(CONCURRENT_LISTS)
        kinds = dict.fromkeys(kind for kinds in search.kinds.values() for kind in kinds)
        # Unwrapped, so that a cluster that stops to answer is recognized.
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                for kind in kinds:
                    for namespace in _within(kind, search.namespaces):
                        tasks.start_soon(self._list, search, kind, namespace, whole, limiter)

    async def _list(
        self,
        search: Dependents,
        kind: Resource,
        namespace: str | None,
        whole: bool,
        limiter: anyio.CapacityLimiter,
    ) -> None:
        async with limiter:
            await self._add_pages(search.cluster, kind, namespace, whole=whole, wanted=True)

    async def _list_owners(self, search: Dependents) -> None:
        """List the kinds of unknown owners, until all are listed that the server serves."""
        name = search.cluster.name
        listed = {kind for kinds in search.kinds.values() for kind in kinds}
        served: Sequence[Resource] = ()
        while owners := await self._writer.write(lambda: self._join.unknown_owners(name)):
            served = served or await search.cluster.resources()
            found = {_resource(version, kind, served) for version, kind in owners}
            new = [one for one in found if one is not None and one not in listed]
            if not new:
                return
            listed.update(new)
            for kind in sorted(new, key=lambda one: one.name):
                try:
                    for namespace in _within(kind, search.namespaces):
                        await self._add_pages(
                            search.cluster, kind, namespace, whole=False, wanted=False
                        )
                except UnreachableError:
                    raise
                except ClusterError as error:
                    self._warn(f"{error}; what is owned through {kind.name} is not found")

    async def _add_pages(
        self,
        cluster: ListedCluster,
        kind: Resource,
        namespace: str | None,
        *,
        whole: bool,
        wanted: bool,
    ) -> None:
        pages = cluster.pages(
            kind, namespace=namespace, selector="", field_selector="", whole=whole, metadata=True
        )
        async for page in pages:
            if page.inconsistent:
                self._survey.inconsistent[cluster.name] += 1
            items = page.items
            await self._writer.write(
                lambda: self._join.add(cluster.name, kind, items, wanted=wanted)  # noqa: B023 # awaited
            )


def _within(kind: Resource, namespaces: Sequence[str | None]) -> Sequence[str | None]:
    return namespaces if kind.namespaced else [None]


def _resource(api_version: str, kind: str, served: Sequence[Resource]) -> Resource | None:
    """Return the resource of an owner's kind; of another version if its own is not served."""
    group = api_version.rpartition("/")[0]
    named = [one for one in served if one.kind == kind and one.group == group]
    return next((one for one in named if one.api_version == api_version), next(iter(named), None))
