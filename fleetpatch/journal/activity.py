"""How far a run was when an undo of its tree was planned, as the run file of that undo notes it."""

from pathlib import Path
from urllib.parse import quote, unquote

import msgspec


class Activity(msgspec.Struct, frozen=True, omit_defaults=True):
    """What tells whether a run has sent PATCHes since: their number, and whether more may be sent.

    The requests of a session that was killed may not be counted. Its run is `running` until its
    targets in doubt are read, and that adds to `outcomes`. `file` is the path of the run file, made
    by `quoted`. Files of earlier versions have neither.
    """

    patches: int
    running: bool
    outcomes: int | None = None
    file: str = ""

    def has_sent_since(self, before: "Activity") -> bool:
        """Return whether the run may have sent PATCHes since it was as `before`."""
        if self.patches != before.patches or (self.running and not before.running):
            return True
        now, then = self.outcomes, before.outcomes
        # Fewer are left when failed targets are reopened.
        return now is not None and then is not None and now > then

    @property
    def path(self) -> Path | None:
        """The path of the run file; None if it is not known."""
        return unquoted(self.file) if self.file else None


def quoted(path: Path) -> str:
    """Return a path as text that SQLite and JSON take: it may have bytes that are not text."""
    return quote(str(path.absolute()), errors="surrogateescape")


def unquoted(text: str) -> Path:
    """Return the path that `quoted` made this text of."""
    return Path(unquote(text, errors="surrogateescape"))
