"""The writer of outcomes, between the workers of lanes and a journal.

Covered: group commits, log lines with all of their fields, only after the outcome is on record, and
writes that neither overlap nor end with one that failed. Left out: what a failure does to the run
(test_pipeline_ends), a real run file (tests/journal).
"""

from functools import partial

import anyio
import pytest

from fleetpatch.engine import writer
from fleetpatch.engine.writer import COMMIT_INTERVAL, JournalWriter
from fleetpatch.errors import RunFileError
from fleetpatch.model.outcome import Reason
from tests.engine.fleets import Fleet
from tests.engine.hooks import fail_at
from tests.fakes import FakeJournal, always, failure


async def test_outcomes_gather_between_two_commits() -> None:
    fleet = Fleet()
    fleet.add(320, concurrency=32, rate=1000.0)

    await fleet.run()

    assert sum(fleet.journal.groups) == 320
    assert len(fleet.journal.groups) <= fleet.clock.monotonic() / COMMIT_INTERVAL + 1
    assert max(fleet.journal.groups) > 1


async def test_the_last_outcomes_are_recorded_as_soon_as_the_last_worker_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "COMMIT_INTERVAL", 60.0)
    fleet = Fleet()
    fleet.add(20)

    await fleet.run()

    assert fleet.clock.monotonic() < 1.0
    assert sum(fleet.journal.groups) == 20


async def test_a_line_is_logged_only_after_its_outcome_is_on_record() -> None:
    fleet = Fleet()
    fleet.add(100)
    uids = {target.uid: target.id for target in fleet.journal.pending}
    too_early: list[object] = []

    def look(line: dict[str, object]) -> None:
        if uids[str(line["uid"])] not in fleet.journal.settled:
            too_early.append(line)

    fleet.events.on_event = look

    await fleet.run()

    assert too_early == []
    assert len(fleet.events.lines) == fleet.events.flushed == 100


async def test_a_log_line_has_all_fields_of_the_target() -> None:
    fleet = Fleet()
    fleet.add(1)

    await fleet.run()

    assert fleet.events.lines == [
        {
            "level": "info",
            "event": "target.applied",
            "cluster": "prod-a",
            "kind": "jobs.batch",
            "namespace": "team-a",
            "name": "prod-a-0",
            "uid": "prod-a-uid-0",
            "reason": Reason.PATCHED,
            "http_status": 200,
            "attempts": 1,
            "elapsed_ms": 100.0,
        }
    ]


async def test_a_failure_is_a_warning_and_carries_its_detail() -> None:
    fleet = Fleet()
    fleet.add(1).patches = always(failure(403, "Forbidden", "you may not"))

    await fleet.run()

    (line,) = fleet.events.lines
    assert (line["level"], line["event"]) == ("warning", "target.failed")
    assert line["detail"] == "403 you may not"


async def test_writes_to_the_journal_do_not_overlap() -> None:
    journal = FakeJournal()
    writer = JournalWriter(journal)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(partial(writer.claim, "prod-a", limit=1))

    assert journal.calls == [("claim", ())] * 20


async def test_the_journal_can_be_written_after_a_failure() -> None:
    journal = FakeJournal(on_claim=fail_at(1, RunFileError("damaged")))
    writer = JournalWriter(journal)

    for _ in range(2):
        with pytest.raises(RunFileError, match="damaged"):
            await writer.claim("prod-a", limit=1)
