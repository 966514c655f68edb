"""Finds what a plan names and its run has no target for: clusters, namespaces and objects.

Such a name is often misspelled, or the object was deleted, so the preview lists them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from fleetpatch.campaign.integrity import plan_of
from fleetpatch.errors import Refused
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.model.resource import resources_named
from fleetpatch.report.places import PreviewPlace, described
from fleetpatch.rules.planning.namespaces import named

MAX_LISTED: Final = 20
"""Missing objects of lists that are named; a list may have thousands."""


def check_coverage(journal: RunFile, warn: Callable[[str], None]) -> None:
    """Warn of names of the plan for which nothing was found, or refuse them (`guards.onEmpty`).

    Raises Refused.
    """
    missing = [f"nothing matches in {described(one)}" for one in empty_places(journal)]
    missing += missing_objects(journal)
    if missing and plan_of(journal).guards.on_empty == "refuse":
        raise Refused(
            f"guards.onEmpty refuses the plan: {'; '.join(missing)}; correct these names, or leave"
            " out onEmpty"
        )
    for text in missing:
        warn(text)


def empty_places(journal: RunFile) -> list[PreviewPlace]:
    """List the namespaces that the plan names and the clusters in which nothing matches.

    The namespace of a cluster is empty, and so is the kind if the plan has several there.
    """
    kinds = _kinds_by_namespace(plan_of(journal).targets)
    # A plan that matches nothing at all is refused before.
    if journal.info.undo_of or not (kinds or len(journal.info.clusters) > 1):
        return []
    found = {(cluster, namespace) for cluster, _, namespace in queries.places(journal)}
    clusters = {cluster for cluster, _ in found}
    empty: list[PreviewPlace] = []
    for cluster in _reached(journal):
        missing = [one for one in kinds if (cluster, one) not in found]
        for namespace in missing:
            kind = next(iter(kinds[namespace])) if len(kinds[namespace]) == 1 else ""
            empty.append((cluster, kind, namespace))
        if cluster not in clusters and not missing:
            empty.append((cluster, "", ""))
    return empty


def _kinds_by_namespace(blocks: Iterable[TargetBlock]) -> dict[str, frozenset[str]]:
    """Return the namespaces that the plan names, with the kinds that it selects there."""
    kinds: dict[str, frozenset[str]] = {}
    for block in blocks:
        for namespace in named(block.namespaces):
            kinds[namespace] = kinds.get(namespace, frozenset()) | frozenset(block.kinds)
    return kinds


def _reached(journal: RunFile) -> list[str]:
    """Return the clusters that were listed; the preview names the others as missing."""
    return [one.name for one in journal.info.clusters if not one.missing]


def missing_objects(journal: RunFile) -> list[str]:
    """Describe the objects that the plan names, and that the survey did not find."""
    blocks = [block for block in plan_of(journal).targets if block.names]
    missing = [*_missing_of_lists(journal)]
    if not blocks or journal.info.undo_of:
        return missing
    found = set(queries.named(journal, {name for block in blocks for name in block.names}))
    return [one for block in blocks for one in _missing(journal, block, found)] + missing


def _missing_of_lists(journal: RunFile) -> Iterator[str]:
    """Describe the first entries of lists of objects that were not found, and count the others."""
    yield from queries.not_found(journal, MAX_LISTED)
    if (others := queries.count_not_found(journal) - MAX_LISTED) > 0:
        yield f"{others} more objects of the lists were not found"


def _missing(
    journal: RunFile, block: TargetBlock, found: Collection[tuple[str, str, str]]
) -> Iterator[str]:
    where = f"{', '.join(block.namespaces)} of " if block.namespaces else ""
    for cluster in _reached(journal):
        for kind in block.kinds:
            # Resources without any target are not in the run file, so nothing of them was found.
            known = [one.name for one in resources_named(kind, list(journal.resources.values()))]
            for name in block.names:
                if not any((cluster, one, name) in found for one in known):
                    yield f"{kind} {name} was not found in {where}cluster {cluster}"
