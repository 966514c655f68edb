"""The causes why a target stays open, or a cluster gets no more requests."""

from fleetpatch.errors import SurroundingsError
from fleetpatch.model.answer import Reply, one_line
from fleetpatch.model.cause import Cause, CauseCode


def unreachable(reply: Reply) -> Cause:
    """The server does not accept connections."""
    return Cause(CauseCode.UNREACHABLE, f"the server cannot be reached: {one_line(reply)}")


def credentials_refused(reply: Reply) -> Cause:
    """The server refuses the renewed credentials as well."""
    text = f"the server does not accept our credentials: {one_line(reply)}"
    return Cause(CauseCode.CREDENTIALS_REFUSED, text)


def credentials_stale(reply: Reply) -> Cause:
    """The credentials were renewed when no attempt was left for the target."""
    text = f"spent its last attempt on credentials that were stale: {one_line(reply)}"
    return Cause(CauseCode.TARGETS_OPEN, text)


def not_read(reply: Reply) -> Cause:
    """The object could not be read, so it is not known whether it was changed."""
    text = f"could not be read after it may have been applied: {one_line(reply)}"
    return Cause(CauseCode.TARGETS_OPEN, text)


def not_evaluated(error: SurroundingsError) -> Cause:
    """The server does not show what the plan's `where` reads beside the object."""
    return Cause(CauseCode.TARGETS_OPEN, f"where could not be evaluated again: {error}")


def may_not_be_read(reply: Reply) -> Cause:
    """The server forbids us to read the object."""
    return Cause(CauseCode.TARGETS_OPEN, f"may not be read: {one_line(reply)}")
