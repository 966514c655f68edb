"""Verifies a run: reads the objects that it has changed, and compares them with what it left.

Only reads are sent. The lists are those of the run's plan where they show many targets; what they
do not show is read as `fleetpatch.campaign.object_reader` says.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from fleetpatch.campaign.change import change_of
from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.object_reader import (
    MAX_READ_BY_NAME,
    Found,
    NotRead,
    ObjectList,
    ObjectReader,
    Reading,
)
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.whoami import whoami
from fleetpatch.engine import events
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import SurroundingsError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import ObjectId, Place, UnreadTargets
from fleetpatch.journal.verification import VerificationTable
from fleetpatch.model.change import reads_whole
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.model.ports import Events
from fleetpatch.model.resource import Resource, resources_named
from fleetpatch.model.run import ListedTarget
from fleetpatch.model.verification import Verification, Verified
from fleetpatch.rules.answers.verification import unread, verify
from fleetpatch.rules.planning.namespaces import exact, select


class Verifier(msgspec.Struct, frozen=True):
    """Verifies applied targets of the run in `journal`, whose writer is `writer`."""

    journal: RunFile
    writer: JournalWriter
    settings: Settings
    log: Events

    async def run(
        self,
        clusters: Sequence[ReadCluster],
        *,
        wave: int | None = None,
        left_out: Collection[ObjectId] = frozenset(),
    ) -> tuple[Verification, list[SurroundingsError]]:
        """Verify the wave of this number, from 1, or (None) the whole run, and keep the result.

        Objects that are `left_out` are not verified. Returns also the errors of the clusters that
        could not be read; their targets are unread. Raises the error of the first cluster if all of
        them fail, and then keeps the former result.
        """
        journal, write, clock = self.journal, self.writer.write, self.settings.clock
        began_at = clock.wall()
        plan = plan_of(journal)
        change = change_of(journal.info, plan)
        ids = ids_to_verify(journal, wave)
        targets = await write(lambda: UnreadTargets(journal, ids, left_out))
        table = await write(lambda: VerificationTable(journal))

        def verified(listed: ListedTarget, reading: Reading) -> Verified:
            if isinstance(reading, NotRead):
                return unread(reading.why)
            if listed.settlement is None:
                raise AssertionError("an applied target has a settlement")
            return verify(change, listed.target, listed.settlement, reading)

        async def add(found: Found) -> None:
            rows = [(listed.target, verified(listed, reading)) for listed, reading in found]
            await write(lambda: table.add(rows))
            self.settings.progress.planned(len(rows))

        def lists(places: Sequence[Place]) -> Iterator[ObjectList]:
            for block in plan.targets:
                yield from _lists_of_block(block, list(journal.resources.values()), places)

        reader = ObjectReader(
            targets, self.writer, add, reads_whole(change), managed=True, lists=lists
        )
        names = [cluster.name for cluster in journal.info.clusters]
        failed = await reader.run(clusters, names, plan.pace.in_flight)
        if failed and len(failed) == len(clusters):
            raise failed[0]
        ended_at, by = clock.wall(), whoami()
        verification = await write(lambda: table.finish(began_at, ended_at, by, wave))
        events.run_verified(self.log, verification)
        return verification, failed


def ids_to_verify(journal: RunFile, wave: int | None) -> Mapping[str, tuple[int, int]]:
    """Return the first and the last id in each cluster of a wave, from 1, or (None) of the run."""
    return journal.ids if wave is None else journal.ids_of_wave(wave)


def _lists_of_block(
    block: TargetBlock, resources: Sequence[Resource], places: Sequence[Place]
) -> Iterator[ObjectList]:
    """Yield the lists of a block that may show more than a few of the targets in `places`."""
    # A list for each name takes as many requests as reads of the objects.
    if block.names or block.objects:
        return
    for name in block.kinds:
        # The run has only kinds with targets. A name that may mean two of them is left out.
        named = resources_named(name, resources)
        if len(named) != 1:
            continue
        here = {one.namespace: one.targets for one in places if one.resource == named[0]}
        namespaces: Sequence[str | None] = [None]
        if block.namespaces:
            namespaces = exact(block.namespaces) or select(block.namespaces, here)
        for namespace in namespaces:
            targets = sum(here.values()) if namespace is None else here.get(namespace, 0)
            if targets > MAX_READ_BY_NAME:
                selectors = str(block.selector), str(block.field_selector)
                yield ObjectList(named[0], namespace, *selectors)
