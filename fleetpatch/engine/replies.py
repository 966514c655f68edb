"""Replies in words, and what they show of the connection."""

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence


def is_unreachable(reply: Reply) -> bool:
    """Tell whether the connection was never made: nothing was delivered."""
    return isinstance(reply, NoAnswer) and reply.silence is Silence.UNREACHABLE


def line(reply: Reply) -> str:
    """A reply as one line for people, the status first."""
    status, text = describe(reply)
    return f"{status} {text}".strip() if status is not None else text


def describe(reply: Reply) -> tuple[int | None, str]:
    """A reply as (HTTP status or None, one line for people)."""
    match reply:
        case Answer(status=status, reason=reason, message=message):
            return status, message or reason
        case NoAnswer(silence=silence, detail=detail):
            return None, f"{silence}: {detail}" if detail else str(silence)
