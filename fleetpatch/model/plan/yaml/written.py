"""Where a character of a scalar's text is in the file, if the text is written in another form.

A folded or literal scalar (`>`, `|`), a plain one of several lines, and quoted text with escapes
differ from their text in blanks, line breaks and escapes alone. So the two are walked side by side:
each visible character of the text is the next visible one in the file.
"""

import re
from typing import Final

import msgspec

from fleetpatch.model.plan.problems import Place

_ESCAPES: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


class Written(msgspec.Struct, frozen=True):
    """A scalar as it is in the file: `raw` begins at `place`, with its header or quote."""

    raw: str
    place: Place
    style: str | None

    def place_of(self, text: str, offset: int) -> Place | None:
        """Return the place of `text[offset]`, or None if the two do not fit together."""
        at = self._begin()
        for position, character in enumerate(text):
            if character.isspace() and position < offset:
                continue
            at = self._next_visible(at)
            if position == offset:
                return self._place(at)
            if at >= len(self.raw):
                return None
            at = self._after(at, character)
            if at < 0:
                return None
        return self._place(at)

    def _begin(self) -> int:
        if self.style in ("|", ">"):
            # The header may have indicators and a comment, and the text begins in the next line.
            return self.raw.find("\n") + 1
        return 1 if self.style in ("'", '"') else 0

    def _next_visible(self, at: int) -> int:
        while at < len(self.raw):
            if self.raw[at].isspace():
                at += 1
            # A line that is continued, and escapes of blanks and breaks.
            elif self.style == '"' and self.raw[at : at + 2] in _INVISIBLE:
                at += 2
            else:
                break
        return at

    def _after(self, at: int, character: str) -> int:
        """Return the place behind the character, or -1 if another one is there."""
        if self.style == '"' and (escape := _ESCAPES.match(self.raw, at)):
            return escape.end()
        if self.raw[at] != character:
            return -1
        return at + (2 if self.style == "'" and character == "'" else 1)

    def _place(self, at: int) -> Place:
        before = self.raw[:at]
        lines = before.count("\n")
        if not lines:
            return Place(self.place.line, self.place.column + at)
        return Place(self.place.line + lines, at - before.rfind("\n"))


_INVISIBLE: Final = frozenset({"\\\n", "\\n", "\\t", "\\r", "\\ ", "\\_", "\\0"})
