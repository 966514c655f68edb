"""Covers `report.summary`, `report.targets`, `report.wording` and `report.terminal`.

Leaves out how the figures are folded (the journal's tests).
"""

import io
from collections.abc import Iterator

import msgspec
import pytest

from fleetpatch.model.cause import CauseCode
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.run import ListedTarget, RunState, Standing, Summary, Tally, Usage
from fleetpatch.model.target import TargetId
from fleetpatch.report.summary import not_continued, run_lines, summary_lines
from fleetpatch.report.table import CHUNK, table
from fleetpatch.report.targets import target_json_lines, target_lines
from fleetpatch.report.terminal import write
from fleetpatch.report.wording import MEANING, STATE, command, duration, several
from tests.report.samples import INFO, RUN_FILE, a_summary, a_target
from tests.values import replace

PAUSED = a_summary(
    RunState.PAUSED,
    Tally(pending=3, in_doubt=2, applied=1200, unchanged=20, skipped=11, failed=3),
    {
        Outcome.APPLIED: {Reason.PATCHED: 1195, Reason.SETTLED_BY_READING: 5},
        Outcome.UNCHANGED: {Reason.ALREADY_SET: 20},
        Outcome.SKIPPED: {Reason.GONE: 2, Reason.DRIFTED: 9},
        Outcome.FAILED: {Reason.REJECTED: 3},
    },
    cause="interrupted",
    usage=Usage(patch=1240, get=12, list=30, retries=37, elapsed=12.4),
)

FAILED = ListedTarget(
    a_target(),
    Standing.FAILED,
    Settlement(TargetId(1), Reason.REJECTED, 422, 1, 0, 3.25, None, "no\x1b[31m way"),
)
IN_DOUBT = ListedTarget(a_target("etl-2"), Standing.IN_DOUBT)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_summary_reads_so() -> None:
    assert "\n".join(summary_lines(PAUSED, log_file="/var/log/r.jsonl")) == (
        "Run relabel-ml-teams-7f3a is paused, and can be resumed: 1,239 targets, "
        "3 failed, 5 pending.\n"
        "Cause: interrupted\n"
        "\n"
        "applied        1,200\n"
        "    patched                 1,195  changed, as the server's answer shows\n"
        "    settled-by-reading          5  the answer was lost; a read showed the change\n"
        "unchanged         20\n"
        "    already-set                20  had the wanted values already; nothing was changed\n"
        "skipped           11\n"
        "    gone                        2  it does not exist; it is not created\n"
        "    drifted                     9  the same field was changed since the plan;"
        " that value was kept\n"
        "failed             3\n"
        "    rejected                    3  the server refused the change\n"
        "pending            5\n"
        "    in-doubt                    2  claimed, and not known to be sent or not;"
        " they are read before anything is sent\n"
        "\n"
        "Tried 1,240 PATCH, 12 GET and 30 LIST requests, 37 of them retries, in 12.4 s"
        " (100 PATCH/s).\n"
        "\n"
        f"Run file: {RUN_FILE}\n"
        "Log:      /var/log/r.jsonl\n"
        f"Next:     fleetpatch targets {RUN_FILE} --outcome failed  (what failed, and why)\n"
        f"Next:     fleetpatch resume {RUN_FILE}  (continues with the pending targets)"
    )


def test_a_good_end_says_how_to_see_more() -> None:
    done = a_summary(RunState.FINISHED, Tally(applied=1), {Outcome.APPLIED: {Reason.PATCHED: 1}})
    shown = list(summary_lines(done))
    assert shown[0] == "Run relabel-ml-teams-7f3a is finished: 1 target."
    assert shown[-1] == f"More:     fleetpatch targets {RUN_FILE}"


def test_commands_name_a_run_as_it_is_found_here() -> None:
    words = ("relabel-7f3a", "--state-dir", "/srv/state")
    failed = a_summary(RunState.PAUSED, Tally(failed=1, pending=1))
    shown = list(summary_lines(replace(failed, reference=words)))
    assert shown[-2].startswith(f"Next:     fleetpatch targets {' '.join(words)} --outcome failed")
    assert shown[-1].startswith(f"Next:     fleetpatch resume {' '.join(words)}  (")


def test_the_summary_of_a_dry_run_reports_that_nothing_was_stored() -> None:
    dry = a_summary(RunState.FINISHED, Tally(applied=1), info=replace(INFO, dry_run=True))
    assert "(dry run: the servers stored nothing)" in next(summary_lines(dry))


def test_what_people_wrote_has_labels_as_the_other_lines_of_a_summary() -> None:
    info = replace(INFO, description="Move it.", annotations={"ticket": "OPS-1"}, reason="nightly")

    shown = list(summary_lines(replace(PAUSED, info=info)))

    assert {"About:    Move it.", "Note:     ticket: OPS-1", "Reason:   nightly"} <= set(shown)


def test_a_run_cut_while_planning_is_to_be_planned_again() -> None:
    def last(undo_of: str) -> str:
        cut = a_summary(RunState.PLANNING, info=replace(INFO, undo_of=undo_of))
        return list(summary_lines(cut))[-1]

    assert last("") == "Next:     plan again; this file can be deleted"
    again = "plan it again with `fleetpatch undo paint-1`"
    assert last("paint-1") == f"Next:     {again}; this file can be deleted"


def test_the_next_command_does_what_its_run_needs() -> None:
    halted, planned = (
        replace(PAUSED, state=RunState.HALTED),
        replace(PAUSED, state=RunState.PLANNED),
    )
    continuing = "continues with the pending targets"
    accepting = "continues with the pending targets, and accepts the failures so far"
    for one, command_line in (
        (PAUSED, f"fleetpatch resume {RUN_FILE}  (continues with the pending targets)"),
        (planned, f"fleetpatch apply {RUN_FILE}  (begins the run)"),
        (
            replace(PAUSED, awaits_promotion=True),
            f"fleetpatch resume {RUN_FILE} --promote  (begins the next wave)",
        ),
        (halted, f"fleetpatch resume {RUN_FILE}  ({accepting})"),
        (
            replace(halted, tally=Tally(applied=1, pending=3)),
            f"fleetpatch resume {RUN_FILE}  (repeats the check, and {continuing})",
        ),
    ):
        assert list(summary_lines(one))[-1] == f"Next:     {command_line}"


def test_a_run_that_a_command_does_not_continue_names_the_command_that_does() -> None:
    held = replace(PAUSED, awaits_promotion=True)
    halted, done = replace(PAUSED, state=RunState.HALTED), replace(PAUSED, state=RunState.FINISHED)

    def said(summary: Summary, *, resume_halted: bool = False, promote: bool = False) -> str:
        return not_continued(summary, resume_halted=resume_halted, promote=promote)

    assert said(held).endswith(f"begins only with `fleetpatch resume {RUN_FILE} --promote`.")
    assert said(halted).endswith(f"is continued only by `fleetpatch resume {RUN_FILE}`.")
    assert "nothing was sent; `fleetpatch resume " in said(done)
    assert "--failed` retries the failed targets" in said(done)
    assert said(replace(done, tally=Tally(applied=1))).endswith("is finished; nothing was sent.")
    assert not said(held, promote=True)
    assert not said(halted, resume_halted=True)
    assert not said(PAUSED)


def test_the_reasons_of_an_undo_are_told_from_the_run_that_it_undoes() -> None:
    info = replace(INFO, undo_of="relabel-ml-teams-1")
    drifted = {Outcome.SKIPPED: {Reason.DRIFTED: 9}}
    shown = summary_lines(a_summary(tally=Tally(skipped=9), reasons=drifted, info=info))
    assert "changed since the run that is undone; that value was kept" in "\n".join(shown)


def test_a_cause_with_escape_codes_does_no_harm() -> None:
    shown = "\n".join(summary_lines(replace(PAUSED, cause="prod-a: \x1b[2J\nboo")))
    assert "Cause: prod-a: boo" in shown


def test_every_reason_and_every_state_has_its_sentence() -> None:
    assert set(MEANING) == set(Reason)
    assert set(STATE) == set(RunState)


def test_runs_are_listed_in_a_table() -> None:
    dry = replace(PAUSED, info=replace(INFO, run="r2", dry_run=True))
    assert "\n".join(run_lines([PAUSED, dry])) == (
        "RUN                    PLAN              STATE             TARGETS  APPLIED  UNCHANGED"
        "  SKIPPED  FAILED  PENDING  CREATED\n"
        "relabel-ml-teams-7f3a  relabel-ml-teams  paused              1,239    1,200         20"
        "       11       3        5  2024-03-01T02:00:00Z\n"
        "r2                     relabel-ml-teams  paused (dry run)    1,239    1,200         20"
        "       11       3        5  2024-03-01T02:00:00Z"
    )


def test_the_table_of_all_runs_names_the_states_as_the_list_of_runs_does() -> None:
    undone = replace(PAUSED, undone_by="undo-relabel-ml-teams-20240302T0200Z-a1b2c3")
    cancelled = replace(PAUSED, state=RunState.HALTED, cause_code=CauseCode.CANCELLED)

    _, *rows = run_lines([undone, cancelled])

    assert [" paused, undone " in rows[0], " cancelled " in rows[1]] == [True, True]


def test_targets_are_listed_in_a_table() -> None:
    assert "\n".join(target_lines([FAILED, IN_DOUBT])) == (
        "CLUSTER  KIND        NAMESPACE  NAME      OUTCOME   REASON    HTTP  DETAIL\n"
        "prod-a   jobs.batch  team-a     etl-0001  failed    rejected  422   no way\n"
        "prod-a   jobs.batch  team-a     etl-2     in-doubt"
    )


def test_targets_for_programs_are_an_object_a_line() -> None:
    failed, in_doubt = map(msgspec.json.decode, target_json_lines([FAILED, IN_DOUBT]))
    assert failed == {
        "cluster": "prod-a",
        "kind": "jobs.batch",
        "namespace": "team-a",
        "name": "etl-0001",
        "uid": "uid-1",
        "before": {
            'metadata.annotations."example.com/campaign"': None,
            "metadata.labels.cost-centre": None,
            "metadata.labels.team": "ml",
        },
        "outcome": "failed",
        "inDoubt": False,
        "reason": "rejected",
        "httpStatus": 422,
        "attempts": 1,
        "elapsedMs": 3.25,
        "detail": "no\x1b[31m way",
    }
    assert (in_doubt["outcome"], in_doubt["inDoubt"]) == ("pending", True)
    assert (in_doubt["reason"], in_doubt["httpStatus"]) == (None, None)


def test_a_table_without_rows_is_its_header() -> None:
    assert list(table(("A", "B"), [])) == ["A  B"]


def test_a_long_table_is_streamed() -> None:
    taken = 0

    def endless() -> Iterator[tuple[str]]:
        nonlocal taken
        while True:
            taken += 1
            yield ("x",)

    lines = table(("A",), endless())
    assert next(lines) == "A"
    assert taken == CHUNK


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (245, "4 min 5 s"),
        (3599.7, "1 h 0 min"),
        (7380, "2 h 3 min"),
    ],
)
def test_durations_read_so(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_one_is_singular() -> None:
    assert (several(1, "target"), several(1000, "target")) == ("1 target", "1,000 targets")


def test_commands_can_be_pasted_into_a_shell() -> None:
    assert command("apply", "my runs/a.run") == "fleetpatch apply 'my runs/a.run'"


def test_away_from_a_terminal_lines_are_plain() -> None:
    stream = io.StringIO()
    write(summary_lines(PAUSED), stream)
    assert stream.getvalue() == "".join(f"{line}\n" for line in summary_lines(PAUSED))


def test_a_terminal_gets_the_same_words_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    write(summary_lines(PAUSED), stream)
    assert "\x1b[1;31mfailed             3\x1b[0m\n" in stream.getvalue()


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    write(["failed             3", "x" * 300], stream)
    assert "31m" not in stream.getvalue()
    assert "x" * 300 in stream.getvalue()
