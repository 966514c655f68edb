"""Records the objects that blocks list by name (`objects`) and that do not exist."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from fleetpatch.engine.survey import Survey
from fleetpatch.model.outcome import Reason
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.objects import NamedObject, ReadList
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen


def missing_drafts(
    source: PlanFile,
    survey: Survey,
    kinds: Mapping[str, Mapping[str, Resource]],
    reached: Sequence[str],
) -> Iterator[Draft]:
    """Yield a draft that ends as `gone` for each listed object that `survey` has not found.

    `kinds` are the resources of each cluster by the plan's names. An object of a cluster that was
    not `reached` is unknown, and not missing.
    """
    for position, listed in source.objects.items():
        block = source.plan.targets[position]
        unreached = {ref.name for ref in source.plan.fleet} - set(reached)
        for one in listed.objects:
            clusters = [one.cluster] if one.cluster else reached
            if one.cluster in unreached or _is_found(one, position, clusters, survey.named):
                continue
            cluster = one.cluster if one.cluster in reached else reached[0]
            yield Draft(
                cluster,
                kinds[cluster][block.kinds[0]],
                Seen(one.namespace, one.name, "", ""),
                {},
                position,
                ends=Reason.GONE,
                detail=_detail(one, listed, block, reached),
            )


def _is_found(
    one: NamedObject,
    position: int,
    clusters: Collection[str],
    found: Collection[tuple[int, str, str, str]],
) -> bool:
    return any((position, cluster, one.namespace, one.name) in found for cluster in clusters)


def _detail(one: NamedObject, listed: ReadList, block: TargetBlock, reached: Sequence[str]) -> str:
    words = [f"{listed.described(one)} was not found"]
    if one.cluster and one.cluster not in reached:
        words.append(f"since there is no cluster {one.cluster}")
    elif not one.cluster and len(reached) > 1:
        words.append("in any cluster")
    if not (block.selector.is_empty and block.field_selector.is_empty):
        words.append("or is not selected by the block")
    return " ".join(words)
