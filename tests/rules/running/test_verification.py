"""What a verification means for its run: the limit, what could not be read, and by whom."""

import pytest

from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.units import Amount, Percent
from fleetpatch.model.verification import OwnerCount, Verification, VerifyResult
from fleetpatch.rules.running.verification import accepted, cause_after_run, cause_after_wave

TEN_PERCENT = Percent(10)


def found(holds: int, reverted: int = 0, unread: int = 0, *managers: str) -> Verification:
    counts = {
        VerifyResult.HOLDS: holds,
        VerifyResult.REVERTED: reverted,
        VerifyResult.UNREAD: unread,
    }
    owners = tuple(OwnerCount(VerifyResult.REVERTED, name, 1) for name in managers)
    return Verification(0.0, 1.0, "ann@desk", {"north": counts}, owners)


def code(cause: Cause | None) -> str | None:
    return cause.code if cause else None


@pytest.mark.parametrize(
    ("limit", "verification", "after_wave", "after_run"),
    [
        (None, found(10), None, None),
        (None, found(5, 5), None, "targets-reverted"),
        (None, found(5, 0, 5), None, "targets-unverified"),
        (0, found(10), None, None),
        (0, found(9, 1), "max-reverted", "max-reverted"),
        (0, found(9, 0, 1), "targets-unverified", "targets-unverified"),
        (2, found(8, 2), None, "targets-reverted"),
        (2, found(7, 3), "max-reverted", "max-reverted"),
        (2, found(7, 2, 1), "targets-unverified", "targets-reverted"),
        (2, found(7, 1, 1), None, "targets-reverted"),
        (TEN_PERCENT, found(9, 1), None, "targets-reverted"),
        (TEN_PERCENT, found(8, 2), "max-reverted", "max-reverted"),
        # A share of less than one object allows none.
        (TEN_PERCENT, found(8, 1), "max-reverted", "max-reverted"),
    ],
)
def test_one_more_than_the_limit_halts_and_any_at_the_end_are_reported(
    limit: Amount | None,
    verification: Verification,
    after_wave: str | None,
    after_run: str | None,
) -> None:
    assert code(cause_after_wave(limit, verification)) == after_wave
    assert code(cause_after_run(limit, verification)) == after_run


def test_the_cause_names_the_managers_that_put_values_back() -> None:
    one = cause_after_run(1, found(7, 3, 0, "flux", "", "helm"))
    assert str(one) == (
        "3 of 10 changed objects were reverted by flux and 1 more, and verify.maxReverted allows 1"
    )
    assert str(cause_after_run(None, found(0, 1))) == "1 of 1 changed object was reverted"


def test_an_accepted_halt_is_a_run_with_reverted_objects() -> None:
    halted = Cause(CauseCode.MAX_REVERTED, "three")
    unread = Cause(CauseCode.TARGETS_UNVERIFIED, "one")

    assert accepted(halted) == Cause(CauseCode.TARGETS_REVERTED, "three")
    assert (accepted(unread), accepted(None)) == (unread, None)
