"""Counts what was asked of the servers of a survey or a verification, and what they warned of."""

from collections import Counter
from collections.abc import Sequence

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.model.run import Usage


def usage_of(clusters: Sequence[ReadCluster], elapsed: float = 0.0) -> Usage:
    """Return the requests that were sent to `clusters`, and the seconds that they took."""
    lists = sum(cluster.requests["list"] for cluster in clusters)
    gets = sum(cluster.requests["get"] for cluster in clusters)
    return Usage(get=gets, list=lists, elapsed=elapsed)


def warnings_of(clusters: Sequence[ReadCluster]) -> Counter[str]:
    """Count the warnings of all servers by text."""
    counts: Counter[str] = Counter()
    for cluster in clusters:
        counts.update(cluster.warnings.counts)
    return counts
