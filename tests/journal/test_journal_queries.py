"""Queries of a run file: summary, listings, samples, and the JSON of `apply --output json`.

Covered: counts by every key, reasons, times, filters, streaming, samples, the SQL view for people.
Not covered: how they are shown (report).
"""

import json
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.fields import label
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import RunState, Standing, Tally, Usage, as_json
from tests.journal.makers import NOON, TFJOBS, draft, info, make, many, settle
from tests.values import replace


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFile]:
    """A paused run: 8 targets, one of each standing and two gone, all in north; south is empty."""
    drafts = [
        draft("a", ends=Reason.ALREADY_SET),
        *(draft(name, namespace="team-b") for name in "bcde"),
        *(draft(name, resource=TFJOBS) for name in "fgh"),
    ]
    with make(tmp_path / "x.run", drafts) as made:
        claimed = made.claim("north", limit=6)
        made.count(Usage(5, 2, 3, 1, 1.23456))
        made.record(settle(claimed[:1]))
        made.record(settle(claimed[1:3], Reason.GONE))
        made.record(settle(claimed[3:4], Reason.REJECTED))
        made.record(settle(claimed[4:5], Reason.SETTLED_BY_READING))
        made.set_state(RunState.PAUSED, Cause(CauseCode.INTERRUPTED, "interrupted"))
        yield made


def test_the_summary_counts_by_cluster_kind_and_namespace(run: RunFile) -> None:
    summary = queries.summary(run)
    assert summary.tally == Tally(
        pending=1, in_doubt=1, applied=2, unchanged=1, skipped=2, failed=1
    )
    assert summary.tally.total == 8
    assert summary.by_cluster == {"north": summary.tally, "south": Tally()}
    assert summary.by_kind == {
        "jobs.batch": Tally(applied=1, unchanged=1, skipped=2, failed=1),
        "tfjobs.kubeflow.org": Tally(pending=1, in_doubt=1, applied=1),
    }
    assert list(summary.by_namespace) == ["team-a", "team-b"]
    assert summary.by_namespace["team-b"] == Tally(applied=1, skipped=2, failed=1)


@pytest.mark.parametrize(
    ("reason", "may_have_changed"),
    [(Reason.DRIFTED, True), (Reason.REJECTED, True), (Reason.ALREADY_SET, False)],
)
def test_a_part_of_the_change_in_a_target_that_was_not_applied_can_be_undone(
    tmp_path: Path, reason: Reason, may_have_changed: bool
) -> None:
    with make(tmp_path / "x.run", many(2)) as run:
        left, none = settle(run.claim("north", limit=2), reason)

        run.record([none])
        run.record([replace(left, wrote={label("team"): "b"})])

        assert queries.summary(run).may_have_changed is may_have_changed


def test_a_target_that_was_not_applied_leaves_nothing_to_undo(tmp_path: Path) -> None:
    with make(tmp_path / "x.run", many(1)) as run:
        run.record(settle(run.claim("north", limit=1), Reason.DRIFTED))

        assert not queries.summary(run).may_have_changed


def test_the_outcomes_that_were_recorded_last_can_be_read_again(tmp_path: Path) -> None:
    hours = count()
    drafts = [draft("a", ends=Reason.ALREADY_SET), *(draft(name) for name in "bcd")]
    with RunFile.create(tmp_path / "x.run", info(), now=lambda: float(next(hours))) as run:
        run.add(drafts)
        run.seal()
        assert list(queries.latest(run)) == []
        claimed = run.claim("north", limit=3)
        groups = settle(claimed[:1]), settle(claimed[1:])
        for group in groups:
            run.record(group)

        assert list(queries.latest(run)) == list(zip(claimed[1:], groups[1], strict=True))


def test_the_summary_has_reasons_and_times(run: RunFile) -> None:
    summary = queries.summary(run)
    assert summary.reasons == {
        Outcome.APPLIED: {Reason.PATCHED: 1, Reason.SETTLED_BY_READING: 1},
        Outcome.UNCHANGED: {Reason.ALREADY_SET: 1},
        Outcome.SKIPPED: {Reason.GONE: 2},
        Outcome.FAILED: {Reason.REJECTED: 1},
    }
    assert (summary.started, summary.ended) == (NOON, NOON)
    assert summary.info == info()


def counts(
    applied: int = 0, unchanged: int = 0, skipped: int = 0, failed: int = 0, pending: int = 0
) -> dict[str, int]:
    return {
        "applied": applied,
        "unchanged": unchanged,
        "skipped": skipped,
        "failed": failed,
        "pending": pending,
    }


def test_the_json_of_apply_is_as_documented(run: RunFile) -> None:
    printed = as_json(queries.summary(run))
    assert json.loads(json.dumps(printed)) == {
        "run": "relabel-20260301T120000Z-00000a",
        "runFile": str(run.path),
        "plan": {"name": "relabel", "digest": "sha256:0a0b"},
        "description": "",
        "reason": "",
        "annotations": {},
        "missingClusters": {},
        "state": "paused",
        "cause": "interrupted",
        "causeCode": "interrupted",
        "createdAt": "2026-03-01T12:00:00Z",
        "createdBy": "ann@desk",
        "dryRun": False,
        "undoOf": None,
        "undoneBy": None,
        "targets": 8,
        "outcomes": {"applied": 2, "unchanged": 1, "skipped": 2, "failed": 1, "pending": 2},
        "reasons": {
            "applied": {"patched": 1, "settled-by-reading": 1},
            "unchanged": {"already-set": 1},
            "skipped": {"gone": 2},
            "failed": {"rejected": 1},
        },
        "requests": {"patch": 5, "get": 2, "list": 3},
        "retries": 1,
        "warnings": [],
        "elapsedSeconds": 1.235,
        "verification": None,
        "planningSeconds": 0.0,
        "startedAt": "2026-03-01T12:00:00Z",
        "endedAt": "2026-03-01T12:00:00Z",
        "pace": {"rate": None, "concurrency": None},
        "steering": [],
        "clusters": [
            {"name": "north", "server": "https://north.example:6443"},
            {"name": "south", "server": "https://south.example:6443"},
        ],
        "waves": [],
        "window": None,
        "byCluster": {"north": counts(2, 1, 2, 1, 2), "south": counts()},
        "byKind": {
            "jobs.batch": counts(1, 1, 2, 1, 0),
            "tfjobs.kubeflow.org": counts(1, 0, 0, 0, 2),
        },
        "byNamespace": {"team-a": counts(1, 1, 0, 0, 2), "team-b": counts(1, 0, 2, 1, 0)},
    }


@pytest.mark.parametrize(
    ("standings", "reason", "found"),
    [
        (None, None, "abcdefgh"),
        ([], None, ""),
        ([Standing.PENDING], None, "h"),
        ([Standing.IN_DOUBT], None, "g"),
        ([Standing.PENDING, Standing.IN_DOUBT], None, "gh"),
        ([Standing.SKIPPED, Standing.UNCHANGED], None, "acd"),
        (None, Reason.GONE, "cd"),
        ([Standing.APPLIED], Reason.SETTLED_BY_READING, "f"),
        ([Standing.FAILED], Reason.GONE, ""),
        (Standing, None, "abcdefgh"),
    ],
)
def test_targets_are_listed_by_standing_and_reason(
    run: RunFile, standings: list[Standing] | None, reason: Reason | None, found: str
) -> None:
    rows = list(queries.targets(run, standings, reason))
    assert "".join(row.target.name for row in rows) == found
    for row in rows:
        assert (row.settlement is None) == (row.standing in (Standing.PENDING, Standing.IN_DOUBT))


def test_a_listing_is_a_stream(run: RunFile) -> None:
    assert next(queries.targets(run)).target.name == "a"


def test_samples_are_spread_over_the_kinds_and_leave_out_what_needs_no_patch(run: RunFile) -> None:
    assert [target.name for target in queries.samples(run, 4)] == ["b", "c", "f", "g"]
    assert [target.name for target in queries.samples(run, 100)] == list("bcdefgh")
    assert queries.samples(run, 0) == []


def test_people_with_a_sqlite_shell_read_the_view(run: RunFile) -> None:
    rows: dict[str, str] = dict(run.database.rows("SELECT name, standing FROM standings"))
    assert rows == {row.target.name: row.standing.value for row in queries.targets(run)}


def test_the_view_knows_a_reason_that_the_version_which_planned_the_run_did_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.run"
    make(path, many(1)).close()
    with sqlite3.connect(path) as shell:
        shell.execute("DELETE FROM reasons WHERE reason = 'not-effective'")
    shell.close()

    with RunFile.open(path, write=True) as resumed:
        resumed.record(settle(resumed.claim("north", limit=1), Reason.NOT_EFFECTIVE))
        rows = list(resumed.database.rows("SELECT standing, reason FROM standings"))

    assert rows == [("failed", "not-effective")]


def test_a_dry_run_stays_one(tmp_path: Path) -> None:
    make(tmp_path / "x.run", many(1), info(dry_run=True)).close()
    with RunFile.open(tmp_path / "x.run") as run:
        assert run.info == info(dry_run=True)


def test_planned_counts_what_was_to_be_patched_whatever_became_of_it(tmp_path: Path) -> None:
    drafts = [*many(6), draft("set", ends=Reason.ALREADY_SET), draft("odd", ends=Reason.CLASH)]
    with make(tmp_path / "run.db", drafts) as run:
        assert queries.planned(run) == 6
        claimed = run.claim("north", limit=4)
        run.record(settle(claimed[:2]))
        run.record(settle(claimed[2:], Reason.DRIFTED))

        assert queries.planned(run) == 6


def test_some_namespaces_are_those_of_a_sample(tmp_path: Path) -> None:
    with make(tmp_path / "r.run", many(30)) as run:
        assert queries.some_namespaces(run) == queries.namespaces(run)
        assert queries.some_namespaces(run, rows=1) == queries.namespaces(run)[:1]
