"""The search for dependents: clusters that stop to answer, and kinds that may not be listed.

Left out: which objects are found (test_dependents.py in tests/e2e, and tests/journal).
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.engine.dependents import Dependents, DependentSurvey
from fleetpatch.engine.survey import ListQuery, Survey
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, UnreachableError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.ports import Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from tests.fakes import FakeProgress
from tests.journal.makers import JOBS, info

PODS = Resource("", "v1", "pods", "Pod")
SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")


class ListedCluster:
    """A cluster with objects by kind; an error of a kind is raised in place of its list."""

    def __init__(self, name: str, **kinds: Any) -> None:
        self.name = name
        self.server = f"https://{name}"
        self._kinds = kinds

    async def resources(self) -> Sequence[Resource]:
        return [JOBS, PODS, SETS]

    async def pages(self, resource: Resource, **_options: Any) -> AsyncIterator[Page]:
        found = self._kinds.get(resource.plural, [])
        if isinstance(found, Exception):
            raise found
        yield Page(found)


def job(name: str) -> Seen:
    return Seen("a", name, name, "1", metadata={})


def pod(name: str, owner: str, kind: str = "Job") -> Seen:
    reference = {"apiVersion": "batch/v1" if kind == "Job" else "apps/v1", "kind": kind}
    return Seen("a", name, name, "1", metadata={"ownerReferences": [{**reference, "uid": owner}]})


async def searched(
    tmp_path: Path, *clusters: ListedCluster, skips: bool = True
) -> tuple[Survey, int, list[str]]:
    """Return the survey, the number of objects found, and the warnings."""
    run = RunFile.create(tmp_path / "x.run", info())
    writer, warnings = JournalWriter(run), list[str]()
    survey = Survey(
        MetadataChange(labels={"a": "b"}),
        writer,
        FakeProgress(),
        max_targets=None,
        on_unreachable=(lambda *_: None) if skips else None,
    )
    await survey.run([ListQuery(one, 0, JOBS, None, "", "") for one in clusters])  # type: ignore[arg-type]
    searches = [Dependents(one, {0: [PODS]}, [None]) for one in clusters]  # type: ignore[arg-type]
    try:
        await DependentSurvey(survey, writer, run.owned(), warnings.append).run(searches)
        return survey, run.found(), warnings
    finally:
        run.discard()


async def test_a_cluster_that_stops_to_answer_is_lost_and_the_others_are_searched(
    tmp_path: Path,
) -> None:
    survey, found, _ = await searched(
        tmp_path,
        ListedCluster("north", jobs=[job("j")], pods=UnreachableError("gone")),
        ListedCluster("south", jobs=[job("k")], pods=[pod("p", "k"), pod("q", "k")]),
    )

    assert survey.lost == {"north"}
    assert found == 4


async def test_the_error_of_a_cluster_is_raised_as_it_is_if_none_may_be_missing(
    tmp_path: Path,
) -> None:
    cluster = ListedCluster("north", jobs=[job("j")], pods=UnreachableError("gone"))

    with pytest.raises(UnreachableError, match="gone"):
        await searched(tmp_path, cluster, skips=False)


async def test_the_kinds_of_dependents_must_be_listed(tmp_path: Path) -> None:
    cluster = ListedCluster("north", jobs=[job("j")], pods=ClusterError("not allowed"))

    with pytest.raises(ClusterError, match="not allowed"):
        await searched(tmp_path, cluster)


async def test_a_kind_of_owners_that_may_not_be_listed_is_a_warning(tmp_path: Path) -> None:
    pods = [pod("p", "j"), pod("q", "r", "ReplicaSet")]
    cluster = ListedCluster("north", jobs=[job("j")], pods=pods, replicasets=ClusterError("no"))

    _, found, warnings = await searched(tmp_path, cluster)

    assert found == 2
    assert warnings == ["no; what is owned through replicasets.apps is not found"]


async def test_an_owner_of_a_kind_that_is_not_served_is_left_out(tmp_path: Path) -> None:
    pods = [pod("p", "j"), pod("q", "r", "Unknown")]
    cluster = ListedCluster("north", jobs=[job("j")], pods=pods)

    _, found, warnings = await searched(tmp_path, cluster)

    assert (found, warnings) == (2, [])
