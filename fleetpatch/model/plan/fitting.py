"""Whether a plan fits its kinds, asked once more when the clusters have told what they are."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.checks.provider import check_kind, check_rehearsal
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.tree import list_at, sections, texts_at
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.resource import Resource

_CLUSTER_SCOPED: Final = (
    "{kind} are cluster-scoped, and namespaces cannot choose among them; give them a block without"
    " namespaces (-A)"
)

Found: TypeAlias = tuple[ProviderName, Mapping[str, Resource]]
"""A cluster's provider, and what each name of a kind that the plan has means there."""


def refuse_unfit(source: PlanFile, clusters: Iterable[Found], *, rehearsal: bool) -> None:
    """Refuse a plan that a cluster would not take, or (`rehearsal`) would not just try out.

    Raises PlanError, placed in the plan file where there is one.
    """
    tree = source.document.tree
    source.refuse(
        finding
        for provider, kinds in clusters
        for finding in _findings(tree, provider, kinds, rehearsal=rehearsal)
    )


def _findings(
    tree: Json, provider: ProviderName, kinds: Mapping[str, Resource], *, rehearsal: bool
) -> Iterator[Finding]:
    for block in sections(tree, ("targets",)):
        named = bool(list_at(tree, (*block, "namespaces")))
        for place, name in texts_at(tree, (*block, "kinds")):
            if named and not kinds[name].namespaced:
                yield Finding(place, _CLUSTER_SCOPED.format(kind=kinds[name].name))
            yield from check_kind(tree, place, provider, kinds[name])
            if rehearsal:
                yield from check_rehearsal(place, provider, kinds[name])
