"""Which clusters of a fleet can be reached while a plan is expanded (`guards.onUnreachable`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.errors import UnreachableError
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import ClusterInfo


class Reach:
    """Collects the clusters that cannot be reached, or refuses them, as the plan says."""

    def __init__(self, plan: Plan) -> None:
        self._skips = plan.guards.on_unreachable == "skip"
        self._has_others = len(plan.fleet) > 1
        self._first = plan.fleet[0].name if plan.fleet and plan.lock else None
        self._missing: dict[str, UnreachableError] = {}

    @contextmanager
    def of(self, cluster: ReadCluster) -> Iterator[None]:
        """Make requests to `cluster` in the block; it is missing if it does not answer.

        Raises UnreachableError if the plan does not skip such clusters, or has its Lease there:
        a Lease in another cluster would not exclude other machines.
        """
        try:
            yield
        except UnreachableError as error:
            self.lose(cluster.name, error)

    def lose(self, cluster: str, error: UnreachableError) -> None:
        """Leave a cluster out that does not answer. Raises as `of`."""
        if cluster == self._first:
            raise UnreachableError(f"{error}; the plan's Lease is in this cluster") from error
        if not self._skips:
            advice = "; guards.onUnreachable: skip plans the others" if self._has_others else ""
            raise UnreachableError(f"{error}{advice}") from error
        self._missing[cluster] = error

    def reached(self, clusters: Sequence[ReadCluster]) -> Sequence[ReadCluster]:
        """Return the clusters without the missing ones. Raises UnreachableError if none is left."""
        found = [cluster for cluster in clusters if cluster.name not in self._missing]
        if not found:
            raise next(iter(self._missing.values()))
        return found

    def infos(self, clusters: Sequence[ReadCluster]) -> tuple[ClusterInfo, ...]:
        """Describe all clusters for the run, the missing ones with the reason."""
        return tuple(
            ClusterInfo(
                one.name, one.server, one.context, one.route, str(self._missing.get(one.name, ""))
            )
            for one in clusters
        )
