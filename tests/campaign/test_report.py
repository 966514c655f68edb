"""What a report has of run files, made without a server.

Covered: counts, groups of messages with samples and commands, attempts, waves, sessions, windows,
verification, several runs, a preview, run files of an earlier version; bounds. Left out: the
formats (tests/report), real runs (tests/cli/test_report.py).
"""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.campaign import report as report_module
from fleetpatch.campaign.report import MAX_GROUPS, OTHERS, SAMPLES, report_of
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.verification import VerificationTable
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import RunState
from fleetpatch.model.verification import Verified, VerifyResult
from fleetpatch.report.document import facts
from fleetpatch.report.document.contents import RunReport
from tests.report_runs import BEGAN, a_month_later, a_plan, an_info, made_run, numbered

TARGETS = 370
FAILED = TARGETS // 37


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("made") / "relabel.run", TARGETS)


@pytest.fixture(scope="module")
def report(path: Path) -> RunReport:
    return report_of([path], "relabel", BEGAN + 9000)


def test_the_counts_are_those_of_the_run_file(report: RunReport) -> None:
    tally = report.tally

    assert tally.total == TARGETS
    assert tally.failed == FAILED
    assert sum(one.total for one in report.by(lambda one: one.by_namespace).values()) == TARGETS
    assert report.reasons[Outcome.FAILED] == {Reason.REJECTED: FAILED}


def test_places_with_most_to_look_at_come_first(report: RunReport) -> None:
    failed = [one.failed for one in report.by(lambda one: one.by_namespace).values()]

    assert failed == sorted(failed, reverse=True)
    assert failed[0] > 0


def test_messages_that_are_alike_share_a_group_with_samples_and_a_command(
    report: RunReport,
) -> None:
    group = report.groups[0]

    assert (group.outcome, group.reason, group.count) == (Outcome.FAILED, Reason.REJECTED, FAILED)
    assert group.message == 'admission webhook "…" denied the request: … needs … GPUs'
    assert [one.settlement.reason for one in group.samples if one.settlement] == [group.reason] * 3
    (command,) = facts.commands_of(report, group)
    assert command.startswith("fleetpatch resume ")
    assert command.endswith(" --failed --reason rejected")


def test_what_was_skipped_comes_after_what_failed(report: RunReport) -> None:
    assert [one.outcome for one in report.groups] == [Outcome.FAILED, Outcome.SKIPPED]


def test_the_number_of_groups_is_bounded(tmp_path: Path) -> None:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"]
    made_run(
        tmp_path / "x.run",
        MAX_GROUPS * 40,
        message=lambda number: " ".join(words[int(digit)] for digit in f"{number:o}"),
    )

    report = report_of([tmp_path / "x.run"], "x", BEGAN)

    others = [one for one in report.groups if one.message == OTHERS]
    assert len(report.groups) <= MAX_GROUPS + len(Reason)
    assert others
    tally = report.tally
    assert sum(one.count for one in report.groups) == tally.failed + tally.skipped


def test_samples_show_values_before_and_after_the_change(report: RunReport) -> None:
    (first, *_) = report.samples

    assert len(report.samples) == SAMPLES
    assert first.target.before != first.after


def test_it_says_how_often_targets_were_sent_and_read_and_how_they_ended(report: RunReport) -> None:
    counts: Counter[Reason] = Counter()
    for one in report.efforts:
        counts[one.reason] += one.count

    assert counts[Reason.REJECTED] == FAILED
    assert counts[Reason.SETTLED_BY_READING] > 0
    assert {one.attempts for one in report.efforts if one.reason is Reason.PATCHED} == {2}


def test_waves_and_sessions_have_their_times(report: RunReport) -> None:
    (part,) = report.runs
    (session,) = part.sessions

    assert [one.number for one in part.waves] == [1, 2, 3]
    assert sum(one.targets for one in part.waves) == TARGETS
    began = [one.began or 0.0 for one in part.waves]
    ended = [one.ended or 0.0 for one in part.waves]
    assert began[1] - ended[0] >= 300.0
    assert began == sorted(began)
    assert (session.who, session.began, session.state) == ("olga@bastion", BEGAN, "finished")


def test_the_window_is_shown_as_it_was_open_while_the_run_lasted(tmp_path: Path) -> None:
    window = {"opens": "0 2 * * *", "lasts": "1h", "timezone": "UTC"}
    info = an_info(a_plan(window=window))
    made_run(tmp_path / "x.run", 200, info=info)

    (part,) = report_of([tmp_path / "x.run"], "x", BEGAN).runs

    assert part.openings == [(BEGAN, BEGAN + 3600)]


def test_a_verification_is_shown_with_targets_that_do_not_hold(tmp_path: Path) -> None:
    path = made_run(tmp_path / "x.run", 60)
    with RunFile.open(path, write=True) as run:
        table = VerificationTable(run)
        for listed in queries.targets(run):
            table.add(
                [(listed.target, Verified(VerifyResult.REVERTED, "flux", BEGAN, "was put back"))]
            )
        table.finish(BEGAN, BEGAN + 1, "ann@desk", 0)

    (part,) = report_of([path], "x", BEGAN).runs

    assert part.summary.verification is not None
    assert part.summary.verification.counts[VerifyResult.REVERTED] == 60
    assert len(part.not_holding) == report_module.NOT_HOLDING


def test_several_runs_are_one_report_the_oldest_first(tmp_path: Path, path: Path) -> None:
    info = a_month_later(an_info(a_plan()))
    later = made_run(tmp_path / "later.run", 100, info=info)

    report = report_of([later, path], "relabel", BEGAN)

    assert [one.info.run for one in report.summaries] == [
        "relabel-20260301T0200Z-00000a",
        "relabel-20260401T0200Z-00000b",
    ]
    assert report.tally.total == TARGETS + 100
    assert sum(report.groups[0].runs.values()) == report.tally.failed
    assert len(facts.commands_of(report, report.groups[0])) == 2
    assert "in 2 runs" in facts.headline(report)


def test_the_headline_of_several_runs_adds_up_no_number_of_objects(
    tmp_path: Path, path: Path
) -> None:
    info = a_month_later(an_info(a_plan()))
    later = made_run(tmp_path / "later.run", 100, info=info)

    assert f" of {TARGETS:,} objects changed" in facts.headline(report_of([path], "x", BEGAN))
    headline = facts.headline(report_of([later, path], "relabel", BEGAN))
    assert " of " not in headline.partition("(")[0]
    assert headline.endswith("in 2 runs (an object counts in each of its runs)")


def test_the_newest_run_that_changed_something_and_was_not_undone_can_be_verified(
    tmp_path: Path, path: Path
) -> None:
    info = a_month_later(an_info(a_plan()))
    empty = made_run(tmp_path / "later.run", 0, info=info)

    assert str(path) in facts.verify_command(report_of([path, empty], "relabel", BEGAN))
    assert facts.verify_command(report_of([empty], "relabel", BEGAN)) == ""
    undone = report_of([path], "relabel", BEGAN)
    summary = replace(undone.latest, undone_by="undo-relabel")
    undone = replace(undone, runs=[replace(undone.runs[0], summary=summary)])
    assert facts.verify_command(undone) == ""


def test_a_run_that_was_not_started_has_a_report_too(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    made_run(path, 0)
    with RunFile.create(tmp_path / "y.run", an_info(a_plan())) as run:
        run.seal()

    report = report_of([tmp_path / "y.run"], "y", BEGAN)

    assert report.latest.state is RunState.PLANNED
    assert facts.span_of(report) is None
    assert not report.timeline


def test_a_run_file_of_an_earlier_version_has_no_timeline_and_no_sessions(tmp_path: Path) -> None:
    path = made_run(tmp_path / "x.run", 50)
    database = sqlite3.connect(path)
    for table in ("timeline", "sessions", "verified"):
        database.execute(f"DROP TABLE {table}")
    database.commit()
    database.close()

    report = report_of([path], "x", BEGAN)

    assert not report.timeline
    assert report.runs[0].sessions == []
    assert facts.span_of(report) is not None


def test_each_message_of_a_run_is_read_once(tmp_path: Path) -> None:
    seen: list[int] = []

    def message(number: int) -> str:
        seen.append(number)
        return numbered(number)

    path = made_run(tmp_path / "x.run", 500, message=message)

    groups = report_of([path], "x", BEGAN).groups
    assert sum(one.count for one in groups) == len(seen)
