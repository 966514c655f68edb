"""How a run ends. Covered: the state and the cause of a run, and the exit code of each state."""

import pytest

from fleetpatch.errors import Exit
from fleetpatch.model.run import RunState, Tally
from fleetpatch.rules.running.run_state import exit_code, final_state

DONE = Tally(applied=8, unchanged=1, skipped=1)
OPEN = Tally(applied=8, pending=1, in_doubt=1)


def test_a_run_whose_targets_all_ended_is_finished_even_if_a_lane_stopped() -> None:
    assert final_state(DONE, []) == (RunState.FINISHED, "")
    assert final_state(DONE, ["interrupted"]) == (RunState.FINISHED, "")


@pytest.mark.parametrize("tally", [Tally(pending=1), Tally(in_doubt=1), OPEN])
def test_a_run_with_open_targets_is_paused_and_says_why(tally: Tally) -> None:
    assert final_state(tally, ["interrupted"]) == (RunState.PAUSED, "interrupted")
    assert final_state(tally, ["one", "two", "three"]) == (RunState.PAUSED, "one (and 2 more)")
    assert final_state(tally, [])[1] != ""


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
