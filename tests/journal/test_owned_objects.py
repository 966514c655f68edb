"""Dependents are joined with the selected objects over uids, in the run file.

Covered: any depth, the nearest owner, several owners, blocks, circles, hostile objects, waves.
Left out: how they are listed (tests/e2e/test_dependents.py).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetpatch.journal import queries
from fleetpatch.journal.owned import OwnedObjects, owners_of
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from tests.journal.makers import JOBS, draft, info

PODS = Resource("", "v1", "pods", "Pod", "pod", ("po",))


def owned(uid: str, *owners: str, kind: str = "Job", **more: Any) -> Seen:
    """Return an object with these owners, by their uids."""
    references = [{"apiVersion": "batch/v1", "kind": kind, "uid": one} for one in owners]
    return Seen("team-a", uid, uid, "5", metadata={"ownerReferences": references}, **more)


def joined(
    run: RunFile, selected: Sequence[str], pods: Sequence[Seen], jobs: Sequence[Seen] = ()
) -> OwnedObjects:
    run.add([draft(uid, uid=uid) for uid in selected])
    join = run.owned()
    join.select("north")
    join.add("north", PODS, pods, wanted=True)
    join.add("north", JOBS, jobs, wanted=False)
    join.find("north", 0, [PODS])
    return join


def found(join: OwnedObjects) -> dict[str, str]:
    """Return the owner of each dependent, by uid."""
    return {one.seen.uid: one.owner for one in join.found("north", 0, 100)}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFile]:
    with RunFile.create(tmp_path / "x.run", info()) as created:
        yield created


def test_what_a_selected_object_owns_is_found_and_nothing_else(run: RunFile) -> None:
    pods = [owned("p1", "j1"), owned("p2", "j1"), owned("p3", "j2"), owned("p4")]

    assert found(joined(run, ["j1"], pods)) == {"p1": "j1", "p2": "j1"}


def test_owners_are_followed_through_objects_that_are_no_targets(run: RunFile) -> None:
    join = joined(run, ["cron"], [owned("p", "j")], [owned("j", "cron", kind="CronJob")])

    assert found(join) == {"p": "cron"}


def test_the_nearest_selected_object_is_the_owner(run: RunFile) -> None:
    join = joined(run, ["cron", "z-job"], [owned("p", "z-job")], [owned("z-job", "cron")])

    assert found(join) == {"p": "z-job"}


def test_of_equally_near_owners_the_first_by_uid_counts(run: RunFile) -> None:
    assert found(joined(run, ["a", "b"], [owned("p", "b", "a")])) == {"p": "a"}


def test_a_circle_of_owners_ends(run: RunFile) -> None:
    pods = [owned("p", "q", "j"), owned("q", "p")]

    assert found(joined(run, ["j"], pods)) == {"p": "j", "q": "j"}


def test_owners_are_followed_however_deep_they_are(run: RunFile) -> None:
    chain = [owned(f"p{at:03}", f"p{at - 1:03}" if at else "j") for at in range(90)]

    assert found(joined(run, ["j"], chain)) == {f"p{at:03}": "j" for at in range(90)}


def test_an_object_of_another_namespace_is_no_owner(run: RunFile) -> None:
    pods = [
        owned("p", "j"),
        replace(owned("q", "j"), namespace="team-b"),
        replace(owned("r", "p"), namespace="team-b"),
        replace(owned("s", "j"), namespace=""),
    ]

    assert found(joined(run, ["j"], pods)) == {"p": "j"}


def test_an_object_without_a_namespace_owns_objects_of_all_namespaces(run: RunFile) -> None:
    selected = draft("c", uid="c")
    run.add([replace(selected, seen=replace(selected.seen, namespace=""))])
    pods = [replace(owned(name, "c"), namespace=name) for name in ("a", "b")]

    assert found(joined(run, [], pods)) == {"a": "c", "b": "c"}


def test_a_dense_circle_of_owners_ends_soon(run: RunFile) -> None:
    names = [f"p{at}" for at in range(60)]
    pods = [owned(name, "j", *names) for name in names]

    assert found(joined(run, ["j"], pods)) == dict.fromkeys(names, "j")


def test_an_object_is_the_dependent_of_one_block(run: RunFile) -> None:
    run.add([draft("j1", uid="j1", block=0), draft("j2", uid="j2", block=1)])
    join = run.owned()
    join.select("north")
    join.add("north", PODS, [owned("p", "j1", "j2")], wanted=True)
    for block in (0, 1):
        join.find("north", block, [PODS])

    (one,) = join.found("north", 0, 10)
    assert (one.block, one.owner) == (0, "j1")


def test_unknown_owners_are_named_by_version_and_kind(run: RunFile) -> None:
    join = joined(run, ["j1"], [owned("p", "j1"), owned("q", "r1", kind="ReplicaSet")])

    assert list(join.unknown_owners("north")) == [("batch/v1", "ReplicaSet")]
    join.add("north", JOBS, [owned("r1", "d1", kind="Deployment")], wanted=False)
    assert list(join.unknown_owners("north")) == [("batch/v1", "Deployment")]


def test_a_kept_owner_comes_with_its_dependents(run: RunFile) -> None:
    run.owned().keep_owners("north", {"j1": {"metadata": {"name": "é"}}})
    join = joined(run, ["j1"], [owned("p", "j1")])

    (one,) = join.found("north", 0, 10)
    assert one.document == {"metadata": {"name": "é"}}


def test_dependents_are_targets_without_blocks_after_their_owners(run: RunFile) -> None:
    joined(run, ["j1", "j2"], [])
    pods = [replace(draft(uid, uid=uid, resource=PODS), owner="j1") for uid in ("a1", "a2")]
    run.add(pods)
    run.seal(sizes=(1,), seed="s")

    with run:
        targets = [one.target for one in queries.targets(run)]
        sizes = [run.wave(number).targets for number in range(1, len(run.waves) + 1)]
        counted = queries.dependents(run)
    names = [one.name for one in targets]
    assert sorted(sizes) == [1, 3]
    first = names.index("j1")
    assert names[first : first + 3] == ["j1", "a1", "a2"]
    assert all(not one.blocks for one in targets if one.resource == PODS)
    assert counted["pods"].total == 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["uid", "kind", "apiVersion", "'\";--", "x"]), inner),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(metadata=st.fixed_dictionaries({"ownerReferences": VALUES}) | VALUES, spec=VALUES)
def test_hostile_objects_are_joined_or_left_out(
    tmp_path_factory: pytest.TempPathFactory, metadata: Any, spec: Any
) -> None:
    run = RunFile.create(tmp_path_factory.mktemp("hostile") / "x.run", info())
    hostile = Seen("a", "n", "p", "1", whole={"metadata": metadata, "spec": spec})

    join = joined(run, ["j1"], [hostile, owned("good", "j1")])

    assert found(join) == {"good": "j1"} or owners_of(hostile)
    run.discard()
