"""The targets that an undo has not read yet: which they are, and that each is taken once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import UnreadTargets
from fleetpatch.model.outcome import Reason
from tests.journal.makers import JOBS, TFJOBS, draft, make, many, settle


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFile]:
    """Five jobs of one cluster, a TFJob, an object that needed no patch, and one of another."""
    drafts = [
        *many(5),
        draft("train", resource=TFJOBS, namespace="team-b"),
        draft("done", ends=Reason.ALREADY_SET),
        draft("far", cluster="south"),
    ]
    with make(tmp_path / "a.run", drafts) as made:
        made.record(settle(made.claim("north", limit=3)))
        yield made


def test_they_are_counted_by_place_without_those_that_were_not_changed(run: RunFile) -> None:
    unread = UnreadTargets(run)
    assert unread.places("north") == [(JOBS, "team-a", 5), (TFJOBS, "team-b", 1)]
    assert unread.places("south") == [(JOBS, "team-a", 1)]


def test_each_is_taken_once_by_its_uid_or_in_order(run: RunFile) -> None:
    unread = UnreadTargets(run)
    uids = ["north/jobs.batch/team-a/job-00003", "another", "north/jobs.batch/team-a/done"]

    taken = unread.take("north", uids)
    rest = [[one.target.name for one in unread.next("north", 2)] for _ in range(4)]

    assert [one.target.name for one in taken] == ["job-00003"]
    assert taken[0].settlement is None
    assert rest == [["job-00000", "job-00001"], ["job-00002", "job-00004"], ["train"], []]
    assert unread.take("north", uids) == []
    assert unread.places("north") == []
    assert len(unread.places("south")) == 1


def test_another_undo_begins_with_all_of_them(run: RunFile) -> None:
    UnreadTargets(run).next("north", 10)
    assert sum(place.targets for place in UnreadTargets(run).places("north")) == 6
