"""What may have become of the PATCHes of one target, and whether a read must clear it up."""

from fleetpatch.rules.answers.verdicts import Verdict


class Doubt:
    """Tracks the PATCHes of this session and, with `in_doubt`, of an earlier one.

    - `maybe_applied`: one may have been applied at any time.
    - `lost`: one had a reply, or none, that a conflict does not explain.
    - `unread`: one was sent after the last successful read.
    - `unanswered`: one was left without an answer, so that it may arrive even after a read.
    - `must_read`: the object must be read before the next one.
    """

    __slots__ = ("lost", "maybe_applied", "must_read", "unanswered", "unread")

    def __init__(self, *, in_doubt: bool) -> None:
        self.maybe_applied = in_doubt
        self.lost = in_doubt
        self.unread = False
        self.unanswered = in_doubt
        self.must_read = in_doubt

    @property
    def remains(self) -> bool:
        """Whether a PATCH may have been applied, or may still be, without our knowledge."""
        return self.unanswered or self.unread

    def note_sent(self) -> None:
        """A PATCH was sent that its reply does not settle."""
        self.maybe_applied = self.unread = True

    def note_verdict(self, verdict: Verdict) -> None:
        """A reply to a PATCH was judged."""
        # A conflict is the answer of our own guard, and nothing was stored. Any other reply may
        # have replaced the true answer.
        self.lost = self.lost or verdict is not Verdict.CONFLICT
        if verdict is Verdict.CONFLICT:
            self.must_read = True
        elif verdict is Verdict.IN_DOUBT:
            # The PATCH may still arrive after a read that does not show it.
            self.must_read = self.maybe_applied = self.unanswered = True
