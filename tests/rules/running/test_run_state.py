"""How a run ends. Covered: the state and the cause of a run, and the exit code of each state."""

import pytest

from fleetpatch.errors import Exit
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState, Tally
from fleetpatch.rules.running.run_state import LEFT_OPEN, exit_code, final_state

DONE = Tally(applied=8, unchanged=1, skipped=1)
OPEN = Tally(applied=8, pending=1, in_doubt=1)
INTERRUPTED = Cause(CauseCode.INTERRUPTED, "interrupted")


def test_a_run_whose_targets_all_ended_is_finished_even_if_a_lane_stopped() -> None:
    assert final_state(DONE, []) == (RunState.FINISHED, None)
    assert final_state(DONE, [INTERRUPTED]) == (RunState.FINISHED, None)


@pytest.mark.parametrize(("failed", "text"), [(1, "1 target failed"), (3, "3 targets failed")])
def test_a_finished_run_with_failures_has_them_as_its_cause(failed: int, text: str) -> None:
    ended = final_state(Tally(applied=8, failed=failed), [])
    assert ended == (RunState.FINISHED, Cause(CauseCode.TARGETS_FAILED, text))


@pytest.mark.parametrize("tally", [Tally(pending=1), Tally(in_doubt=1), OPEN])
def test_a_run_with_open_targets_is_paused_and_says_why(tally: Tally) -> None:
    assert final_state(tally, [INTERRUPTED]) == (RunState.PAUSED, INTERRUPTED)
    assert final_state(tally, []) == (RunState.PAUSED, LEFT_OPEN)


def test_the_gravest_of_several_causes_is_that_of_the_run() -> None:
    spent = Cause(CauseCode.RETRY_BUDGET_SPENT, "spent")
    lost = Cause(CauseCode.UNREACHABLE, "b: unreachable")
    ended = Cause(CauseCode.UNREACHABLE, "b: unreachable (and 2 more)")
    assert final_state(OPEN, [INTERRUPTED, spent, lost]) == (RunState.PAUSED, ended)


@pytest.mark.parametrize(
    ("state", "tally", "code"),
    [
        (RunState.FINISHED, DONE, Exit.OK),
        (RunState.FINISHED, Tally(applied=9, failed=1), Exit.SOME_FAILED),
        (RunState.PAUSED, OPEN, Exit.PAUSED),
        (RunState.PAUSED, Tally(pending=1, failed=1), Exit.PAUSED),
        (RunState.HALTED, Tally(pending=1, failed=1), Exit.HALTED),
    ],
)
def test_the_exit_code_depends_on_the_state_and_the_failures(
    state: RunState, tally: Tally, code: Exit
) -> None:
    assert exit_code(state, tally) is code


@pytest.mark.parametrize(
    ("cause_code", "code"),
    [
        (CauseCode.WINDOW_CLOSED, Exit.PAUSED),
        (CauseCode.PROMOTION_DUE, Exit.PAUSED),
        (CauseCode.INTERRUPTED, Exit.PAUSED),
        (CauseCode.PAUSE_REQUESTED, Exit.PAUSED),
        (CauseCode.UNREACHABLE, Exit.TROUBLE),
        (CauseCode.CREDENTIALS_REFUSED, Exit.TROUBLE),
        (CauseCode.RETRY_BUDGET_SPENT, Exit.TROUBLE),
        (CauseCode.DEADLINE_PASSED, Exit.TROUBLE),
        (CauseCode.LEASE_LOST, Exit.TROUBLE),
        (CauseCode.WAVE_INCOMPLETE, Exit.TROUBLE),
        (CauseCode.LOG_FAILED, Exit.BROKEN),
        ("", Exit.PAUSED),
        ("of-a-later-version", Exit.PAUSED),
    ],
)
def test_a_pause_as_planned_ends_with_5_and_one_by_trouble_with_7(
    cause_code: str, code: Exit
) -> None:
    assert exit_code(RunState.PAUSED, OPEN, cause_code=cause_code) is code


def test_a_run_whose_other_clusters_are_done_ends_with_3_whatever_stopped_the_lost_one() -> None:
    cause = CauseCode.UNREACHABLE
    assert exit_code(RunState.PAUSED, OPEN, partly=True, cause_code=cause) is Exit.SOME_FAILED


def test_a_finished_run_that_left_a_cluster_out_ends_with_3() -> None:
    state, cause = final_state(DONE, [], missing={"b": "no answer", "c": "no answer"})

    assert (state, cause and cause.code) == (RunState.FINISHED, CauseCode.CLUSTERS_MISSING)
    assert str(cause).endswith("reached: no answer (and 1 more)")
    assert exit_code(state, DONE, cause_code=CauseCode.CLUSTERS_MISSING) is Exit.SOME_FAILED
