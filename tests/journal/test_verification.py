"""What verifications found, in the run file: bounded, replaced as a whole, and read again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal import meta, queries, verification
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.schema import FIRST_VERSION
from fleetpatch.journal.verification import VerificationTable, not_holding
from fleetpatch.model.run import as_json
from fleetpatch.model.target import Target
from fleetpatch.model.verification import (
    MANAGERS_KEPT,
    OwnerCount,
    Verified,
    VerifyResult,
)
from tests.journal.makers import NOON, draft, make, many, names, settle

HOLDS = Verified(VerifyResult.HOLDS, "fleetpatch", NOON)
REVERTED = Verified(VerifyResult.REVERTED, "flux", NOON + 60, 'metadata.labels.team is "a"')
GONE = Verified(VerifyResult.GONE)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFile]:
    """Six applied jobs of one cluster, and one of another."""
    with make(tmp_path / "a.run", [*many(6), draft("far", cluster="south")]) as made:
        for cluster in ("north", "south"):
            made.record(settle(made.claim(cluster, limit=10)))
        yield made


def targets(run: RunFile) -> list[Target]:
    return [one.target for one in queries.targets(run)]


def verify(run: RunFile, *found: Verified, at: float = NOON, wave: int | None = None) -> None:
    table = VerificationTable(run)
    for pair in zip(targets(run), found, strict=False):
        table.add([pair])
    table.finish(at, at + 1, "ann@desk", wave)


def test_a_run_that_was_not_verified_has_no_verification(run: RunFile) -> None:
    assert meta.verification(run.database) is None
    assert list(not_holding(run)) == []
    assert as_json(queries.summary(run))["verification"] is None


def test_it_counts_results_by_cluster_and_keeps_what_does_not_hold(run: RunFile) -> None:
    verify(run, HOLDS, REVERTED, HOLDS, GONE, HOLDS, HOLDS, REVERTED, wave=2)

    found = meta.verification(run.database)
    assert found is not None
    assert found.clusters == {
        "north": {VerifyResult.HOLDS: 4, VerifyResult.REVERTED: 1, VerifyResult.GONE: 1},
        "south": {VerifyResult.REVERTED: 1},
    }
    assert (found.targets, found.wave, found.by) == (7, 2, "ann@desk")
    assert [(one.target.name, one.verified) for one in not_holding(run)] == [
        ("job-00001", REVERTED),
        ("job-00003", GONE),
        ("far", REVERTED),
    ]
    assert names([one.target for one in not_holding(run, {VerifyResult.GONE})]) == ["job-00003"]
    assert names([one.target for one in not_holding(run, limit=1)]) == ["job-00001"]


def test_it_names_the_owners_of_the_fields_with_the_times_of_their_writes(run: RunFile) -> None:
    later = Verified(VerifyResult.REVERTED, "flux", NOON + 90)
    verify(run, later, REVERTED, HOLDS, GONE)

    found = meta.verification(run.database)
    assert found is not None
    assert found.managers == (
        OwnerCount(VerifyResult.REVERTED, "flux", 2, NOON + 60, NOON + 90),
        OwnerCount(VerifyResult.HOLDS, "fleetpatch", 1, NOON, NOON),
    )


def test_the_latest_verification_replaces_the_one_before(run: RunFile) -> None:
    verify(run, REVERTED, REVERTED)
    verify(run, HOLDS, GONE, at=NOON + 600)

    found = meta.verification(run.database)
    assert found is not None
    assert found.began_at == NOON + 600
    assert names([one.target for one in not_holding(run)]) == ["job-00001"]


def test_one_that_does_not_end_leaves_the_former_one_as_it_is(run: RunFile) -> None:
    verify(run, REVERTED)
    VerificationTable(run).add([(targets(run)[2], GONE)])
    verify_again = VerificationTable(run)
    verify_again.add([(targets(run)[3], GONE)])

    assert names([one.target for one in not_holding(run)]) == ["job-00000"]
    verify_again.finish(NOON, NOON, "ann@desk", 0)
    assert names([one.target for one in not_holding(run)]) == ["job-00003"]


def test_the_rows_and_the_owners_that_are_kept_are_bounded(
    run: RunFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "KEPT", 3)
    table, (first, *_) = VerificationTable(run), targets(run)
    table.add((one, REVERTED) for one in targets(run)[:5])
    table.add((first, Verified(VerifyResult.HOLDS, f"manager-{n}", NOON)) for n in range(2000))
    table.finish(NOON, NOON, "ann@desk", 0)

    found = meta.verification(run.database)
    assert found is not None
    assert found.counts[VerifyResult.REVERTED] == 5
    assert len(list(not_holding(run))) == 3
    assert len(found.managers) <= MANAGERS_KEPT + len(VerifyResult)
    assert sum(one.count for one in found.managers) == 2005


def test_the_format_stays_that_of_files_which_earlier_versions_read(run: RunFile) -> None:
    verify(run, REVERTED)
    ((version,),) = run.database.rows("PRAGMA user_version")
    assert version == FIRST_VERSION


def test_a_run_file_of_an_earlier_version_has_no_verification_and_can_get_one(
    run: RunFile, tmp_path: Path
) -> None:
    run.database.connection.execute("DROP TABLE verified")
    run.close()

    with RunFile.open(tmp_path / "a.run") as read:
        assert meta.verification(read.database) is None
        assert list(not_holding(read)) == []
    with RunFile.open(tmp_path / "a.run", write=True) as written:
        verify(written, REVERTED)
    with RunFile.open(tmp_path / "a.run") as read:
        assert names([one.target for one in not_holding(read)]) == ["job-00000"]


@pytest.mark.parametrize(
    "damage",
    ["UPDATE verified SET detail = x'00'", "UPDATE verified SET since = 'noon'"],
)
def test_a_damaged_row_is_an_error_that_names_the_file(run: RunFile, damage: str) -> None:
    verify(run, REVERTED)
    run.database.connection.execute(damage)

    with pytest.raises(RunFileError, match="damaged"):
        list(not_holding(run))


def test_damaged_counts_are_an_error_that_names_the_file(run: RunFile) -> None:
    with run.database.transaction():
        run.database.put([("verification", '{"by": 7}')])

    with pytest.raises(RunFileError, match="damaged"):
        meta.verification(run.database)
