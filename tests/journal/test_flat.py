"""A target costs as much in a large run as in a small one.

Covered: bytes of the run file, and the instructions that SQLite executes for a survey and its seal,
for claims and records, and for the queries of `status` and `targets --limit`; 1,000 targets are
compared with 10,000. Left out: time and memory at up to ten million targets (`bench/flat.py`).
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import Reason
from fleetpatch.model.ports import Draft
from fleetpatch.model.units import Percent
from tests.journal.makers import JOBS, TFJOBS, draft, info, make, settle
from tests.values import replace

SMALL, LARGE = 1_000, 10_000
PAGE, CHUNK = 250, 256
GROWTH = 1.2


class Steps:
    """Counts the instructions that SQLite executes, in hundreds."""

    def __init__(self) -> None:
        self.hundreds = 0

    @contextmanager
    def of(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Count those of the block."""
        connection.set_progress_handler(self._step, 100)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def _step(self) -> int:
        self.hundreds += 1
        return 0


def drafts(number: int) -> Iterator[Draft]:
    """Return objects as a fleet has them: with random uids, some of them done already."""
    for index in range(number):
        yield draft(
            f"etl-{index:05}",
            cluster="north" if index % 3 else "south",
            resource=JOBS if index % 2 else TFJOBS,
            namespace=f"team-{index * 10 // number}",
            uid=hashlib.sha256(str(index).encode()).hexdigest()[:36],
            ends=Reason.ALREADY_SET if index % 10 == 0 else None,
        )


def pages(number: int) -> Iterator[Sequence[Draft]]:
    found = drafts(number)
    while page := list(islice(found, PAGE)):
        yield page


def planned(path: Path, number: int) -> RunFile:
    return make(path, drafts(number))


def finished(path: Path, number: int) -> RunFile:
    run = planned(path, number)
    carry_out(run)
    return run


def carry_out(run: RunFile) -> None:
    """Claim and settle all targets, chunk by chunk, the clusters in turn."""
    open_clusters = dict.fromkeys(run.clusters.values(), 0)
    while open_clusters:
        for cluster, last in list(open_clusters.items()):
            claimed = run.claim(cluster, limit=CHUNK, last=None, after=last)
            if not claimed:
                del open_clusters[cluster]
                continue
            open_clusters[cluster] = claimed[-1].id
            run.record(settle(claimed))


def steps_of_planning(path: Path, number: int, sizes: Sequence[Percent] = ()) -> int:
    steps = Steps()
    with RunFile.create(path, info()) as run, steps.of(run.database.connection):
        for page in pages(number):
            run.add(page)
        assert run.shared() is None
        run.seal(seed="x", sizes=sizes)
    return steps.hundreds


def test_planning_a_target_takes_as_many_steps_in_a_large_run_as_in_a_small_one(
    tmp_path: Path,
) -> None:
    small, large = (steps_of_planning(tmp_path / f"{n}.run", n) for n in (SMALL, LARGE))
    assert large / LARGE < GROWTH * small / SMALL


def test_so_does_planning_it_in_waves(tmp_path: Path) -> None:
    sizes = [Percent(5), Percent(20), Percent(100)]
    small, large = (
        steps_of_planning(tmp_path / f"{n}.run", n, sizes=sizes) for n in (SMALL, LARGE)
    )
    assert large / LARGE < GROWTH * small / SMALL


def test_claiming_and_recording_a_target_takes_as_many_steps_in_a_large_run(tmp_path: Path) -> None:
    counts = {}
    for number in (SMALL, LARGE):
        steps = Steps()
        with planned(tmp_path / f"{number}.run", number) as run:
            with steps.of(run.database.connection):
                carry_out(run)
            assert queries.summary(run).tally.open == 0
        counts[number] = steps.hundreds
    assert counts[LARGE] / LARGE < GROWTH * counts[SMALL] / SMALL


def _first_targets(run: RunFile) -> None:
    assert len(list(islice(queries.targets(run), 100))) == 100


def _everything_for_status(run: RunFile) -> None:
    queries.summary(run)
    queries.reason_samples(run)


@pytest.mark.parametrize(
    ("query", "by_target"),
    [
        pytest.param(_first_targets, False, id="the first targets cost the same in any run"),
        pytest.param(_everything_for_status, True, id="a target of the status costs the same"),
        pytest.param(RunFile.is_as_sealed, True, id="a target of the seal's check costs the same"),
    ],
)
def test_a_query(query: Callable[[RunFile], object], by_target: bool, tmp_path: Path) -> None:
    counts = {}
    for number in (SMALL, LARGE):
        steps = Steps()
        with (
            finished(tmp_path / f"{number}.run", number) as run,
            steps.of(run.database.connection),
        ):
            query(run)
        counts[number] = steps.hundreds / number if by_target else steps.hundreds
    assert counts[LARGE] <= GROWTH * counts[SMALL]


def test_a_target_takes_as_many_bytes_of_a_large_run_file_as_of_a_small_one(tmp_path: Path) -> None:
    sizes = {}
    for number in (SMALL, LARGE):
        path = tmp_path / f"{number}.run"
        finished(path, number).close()
        sizes[number] = path.stat().st_size
    assert sizes[LARGE] / LARGE < GROWTH * sizes[SMALL] / SMALL


def test_a_cluster_that_is_left_out_has_no_targets_and_no_range(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "a.run", info())
    run.add([draft("a", cluster="south"), draft("b", cluster="south")])
    run.seal()
    assert run.claim("north", limit=10) == []
    assert [target.name for target in run.claim("south", limit=10)] == ["a", "b"]
    run.close()


def test_an_object_of_all_blocks_is_one_target_of_all_blocks(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "a.run", info())
    for block in range(63):
        run.add([draft("a", block=block, uid="1"), draft("b", block=0, uid="2")])
    assert run.found() == 2
    run.seal()
    assert [target.blocks for target in run.claim("north", limit=10)] == [set(range(63)), {0}]
    run.close()


def test_the_first_draft_of_an_object_counts_whatever_its_kind_is_called(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "a.run", info())
    run.add([draft("a", resource=TFJOBS, uid="1", version="8")])
    run.add([draft("a", resource=JOBS, uid="1", version="9", block=2)])
    run.seal()
    (target,) = run.claim("north", limit=10)
    assert (target.resource, target.resource_version) == (TFJOBS, "8")
    assert target.blocks == {0, 2}
    run.close()


def test_objects_that_are_added_after_a_look_for_shared_ones_are_found_as_well(
    tmp_path: Path,
) -> None:
    run = RunFile.create(tmp_path / "a.run", info())
    run.add([draft("a", uid="1")])
    assert run.shared() is None
    run.add([draft("a", uid="1", cluster="south"), draft("b", uid="2")])
    shared = run.shared()
    assert shared is not None
    assert (shared.uid, shared.clusters, shared.name) == ("1", ("north", "south"), "a")
    run.discard()


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (draft("b", uid="1"), ("team-a/a", "team-a/b")),
        (draft("a", uid="1", namespace="team-b"), ("team-a/a", "team-b/a")),
        (draft("b", uid="1", resource=TFJOBS), ("team-a/a", "team-a/b")),
        (draft("a", uid="1", version="9", block=1), None),
        (draft("a", uid="1", resource=TFJOBS), None),
        (draft("b", uid="1", cluster="south"), None),
    ],
)
def test_one_uid_with_two_names_is_found(
    tmp_path: Path, other: Draft, found: tuple[str, str] | None
) -> None:
    run = RunFile.create(tmp_path / "a.run", info())
    run.add([draft("a", uid="1"), other])
    renamed = run.renamed()
    run.discard()

    assert (renamed and renamed.names) == found


def test_a_listed_object_may_be_missing_in_two_clusters(tmp_path: Path) -> None:
    run = RunFile.create(tmp_path / "a.run", info())
    for cluster in ("north", "south"):
        missing = draft("a", cluster=cluster, version="", ends=Reason.GONE)
        run.add([replace(missing, seen=replace(missing.seen, uid=""))])
    assert run.shared() is None
    run.seal()
    assert [one.target.uid for one in queries.targets(run)] == ["", ""]
    run.close()
