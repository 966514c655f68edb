"""The counts of a preview by cluster, kind and namespace, as rows of a table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from fleetpatch.model.run import Summary, Tally
from fleetpatch.report.table import TableRow

NAMESPACES_SHOWN: Final = 3
"""Namespaces that are listed for each kind of each cluster; the others share one row."""

PLACE_HEADER: Final = ("CLUSTER", "KIND", "NAMESPACE", "TO PATCH", "UNCHANGED", "SKIPPED")

PreviewPlace: TypeAlias = tuple[str, str, str]
"""Cluster, kind (`jobs.batch`) and namespace."""


def described(place: PreviewPlace) -> str:
    """Return `namespace team-a of cluster prod` or `cluster prod`."""
    cluster, _, namespace = place
    return f"namespace {namespace} of cluster {cluster}" if namespace else f"cluster {cluster}"


def place_rows(
    summary: Summary,
    places: Mapping[PreviewPlace, Tally],
    empty: Sequence[PreviewPlace],
    all_namespaces: bool,
) -> Iterator[TableRow]:
    """Yield a row for each namespace, the largest first, and totals of the clusters and of all.

    Without `all_namespaces` the namespaces after the first few of a kind share one row. `empty`
    are places without any object.
    """
    clusters = [one.name for one in summary.info.clusters]
    for cluster in clusters:
        rows = [
            *_rows(_within(cluster, places), all_namespaces),
            *(_row(*place, Tally()) for place in empty if place[0] == cluster),
        ]
        yield from rows
        # The total of the only cluster is that of all, and a single row is its own total.
        if len(clusters) > 1 and len(rows) > 1:
            yield _row(cluster, "in all", "", summary.by_cluster[cluster])
    # From the summary, which counts all places, and not from the rows that are shown.
    yield _row("in all", "", "", summary.tally)


def _within(cluster: str, places: Mapping[PreviewPlace, Tally]) -> dict[PreviewPlace, Tally]:
    return {place: tally for place, tally in places.items() if place[0] == cluster}


def _rows(places: Mapping[PreviewPlace, Tally], all_namespaces: bool) -> Iterator[TableRow]:
    groups: dict[tuple[str, str], list[tuple[str, Tally]]] = defaultdict(list)
    for (cluster, kind, namespace), tally in places.items():
        groups[cluster, kind].append((namespace, tally))
    for (cluster, kind), found in groups.items():
        # By name where counts are equal, so that equal plans have equal previews.
        found.sort(key=lambda one: (-one[1].open, -one[1].total, one[0]))
        # A single further namespace is named, since "and 1 more" would take the same space.
        every = all_namespaces or len(found) == NAMESPACES_SHOWN + 1
        shown = len(found) if every else NAMESPACES_SHOWN
        for namespace, tally in found[:shown]:
            yield _row(cluster, kind, namespace, tally)
        if rest := found[shown:]:
            yield _row(cluster, kind, f"and {len(rest)} more", _sum(tally for _, tally in rest))


def _row(cluster: str, kind: str, namespace: str, tally: Tally) -> TableRow:
    return (cluster, kind, namespace, tally.open, tally.unchanged, tally.skipped)


def _sum(tallies: Iterable[Tally]) -> Tally:
    pending = unchanged = skipped = 0
    for tally in tallies:
        pending += tally.open
        unchanged += tally.unchanged
        skipped += tally.skipped
    return Tally(pending=pending, unchanged=unchanged, skipped=skipped)
