"""Evaluates expressions where clusters are read: on workers, while a plan is expanded.

What is decided once, by the texts of the expressions, is decided here. Objects are evaluated by the
worker that lists them, so that a page comes with its results; those that are known here already
(dependents, and objects of a list of names) are sent to the worker of their cluster.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fleetpatch.model.fields import Json
from fleetpatch.model.ports import Evaluated, ListedCluster, Subject

if TYPE_CHECKING:
    from fleetpatch.evaluation.evaluator import Evaluator


@runtime_checkable
class EvaluatingCluster(Protocol):
    """A cluster whose reader evaluates the expressions of the plan."""

    def evaluating(self, block: int, *, complete: bool) -> ListedCluster:
        """Return the cluster with pages that are evaluated for a block; see `Page.evaluated`.

        Unless `complete`, of the objects only what every object has is in the pages.
        """
        ...

    async def evaluate(self, block: int, subjects: Sequence[Subject]) -> Sequence[Evaluated]:
        """Evaluate as `Expressions.evaluate`."""
        ...


class RemoteEvaluator:
    """Implements `Expressions`; `here` knows the expressions, and evaluates nothing."""

    def __init__(self, here: "Evaluator", clusters: Mapping[str, EvaluatingCluster]) -> None:
        self._here, self._clusters = here, clusters

    def reads_whole(self, block: int) -> bool:
        """See the port."""
        return self._here.reads_whole(block)

    def listing(self, cluster: ListedCluster, block: int, *, complete: bool) -> ListedCluster:
        """See the port."""
        return self._clusters[cluster.name].evaluating(block, complete=complete)

    def owner_part(self, owner: Json) -> Json:
        """See the port."""
        return self._here.owner_part(owner)

    def tables_of_where(self) -> bytes:
        """See `Evaluator`."""
        return self._here.tables_of_where()

    async def evaluate(
        self, cluster: str, block: int, subjects: Sequence[Subject]
    ) -> Sequence[Evaluated]:
        """See the port."""
        return await self._clusters[cluster].evaluate(block, subjects) if subjects else []

    async def matches(self, cluster: str, block: int, subject: Subject) -> Evaluated:
        """See the port; rechecks are made where requests are sent."""
        return await self._here.matches(cluster, block, subject)
