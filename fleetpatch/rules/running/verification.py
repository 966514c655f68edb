"""What a verification means for its run: whether it goes on, and what it is recorded with."""

from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.units import Amount
from fleetpatch.model.verification import Verification, VerifyResult
from fleetpatch.rules.running.limits import failures_allowed


def cause_after_wave(limit: Amount | None, found: Verification) -> Cause | None:
    """Return why the next wave must not begin; None if it may."""
    if limit is None:
        return None
    allowed = failures_allowed(limit, found.targets)
    if found.reverted > allowed:
        return _too_many(allowed, found)
    # What could not be read may have been reverted, too.
    if found.reverted + found.unread > allowed:
        return Cause(CauseCode.TARGETS_UNVERIFIED, _unread(found))
    return None


def cause_after_run(limit: Amount | None, found: Verification) -> Cause | None:
    """Return what the verification of a whole run found that a person should look at."""
    allowed = None if limit is None else failures_allowed(limit, found.targets)
    if allowed is not None and found.reverted > allowed:
        return _too_many(allowed, found)
    if found.reverted:
        return Cause(CauseCode.TARGETS_REVERTED, _reverted(found))
    if found.unread:
        return Cause(CauseCode.TARGETS_UNVERIFIED, _unread(found))
    return None


def accepted(cause: Cause | None) -> Cause | None:
    """Return the cause of a run whose reverted objects a person has accepted by resuming it."""
    if cause is None or cause.code is not CauseCode.MAX_REVERTED:
        return cause
    return Cause(CauseCode.TARGETS_REVERTED, cause.text)


def _too_many(allowed: int, found: Verification) -> Cause:
    text = f"{_reverted(found)}, and verify.maxReverted allows {allowed}"
    return Cause(CauseCode.MAX_REVERTED, text)


def _reverted(found: Verification) -> str:
    managers = [
        one.manager for one in found.managers if one.result is VerifyResult.REVERTED and one.manager
    ]
    first, *others = managers or [""]
    more = f" and {len(others)} more" if others else ""
    by = f" by {first}{more}" if first else ""
    were = "was" if found.reverted == 1 else "were"
    return f"{found.reverted} of {_objects(found)} {were} reverted{by}"


def _unread(found: Verification) -> str:
    return f"{found.unread} of {_objects(found)} could not be read when they were verified"


def _objects(found: Verification) -> str:
    return "1 changed object" if found.targets == 1 else f"{found.targets} changed objects"
