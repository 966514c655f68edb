"""Causes. Covered: each code has an exit code, and the gravest of several causes comes first."""

from fleetpatch.errors import Exit
from fleetpatch.model.cause import EXIT_OF, Cause, CauseCode, by_gravity

WINDOW = Cause(CauseCode.WINDOW_CLOSED, "the window is closed")
LOST = Cause(CauseCode.UNREACHABLE, "b: cannot be reached")
LOG = Cause(CauseCode.LOG_FAILED, "the disk is full")


def test_each_cause_code_has_an_exit_code() -> None:
    assert set(EXIT_OF) == set(CauseCode)
    assert Exit.OK not in EXIT_OF.values()


def test_trouble_is_not_hidden_by_a_cause_that_is_as_planned() -> None:
    assert by_gravity([WINDOW, LOST]) == [LOST, WINDOW]


def test_trouble_of_our_own_surroundings_comes_first() -> None:
    assert by_gravity([LOST, WINDOW, LOG]) == [LOG, LOST, WINDOW]


def test_a_cause_that_several_lanes_have_is_one_cause() -> None:
    assert by_gravity([WINDOW, WINDOW]) == [WINDOW]
