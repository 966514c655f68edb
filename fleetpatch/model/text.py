"""Text that others wrote, made fit for one line of a terminal, log or report.

A server's messages, and the names and values of its objects, may hold escape sequences, bidi
controls, line ends or a megabyte. Whatever of them is shown passes through here first, and
whatever is cut is cut here. Secrets are masked before a text is cut: a part of one is not
recognized any more.
"""

import re
import unicodedata
from typing import Final

from fleetpatch.model.masking import mask

LIMIT: Final = 500
"""Characters that a piece of text keeps."""

ELLIPSIS: Final = "…"

_SHARE_OF_END: Final = 3
"""Of a text that is cut, one in so many characters is of its end."""

_BLANK: Final = re.compile(r"\s")

_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS...
    r"|\x1b[ -/]*[0-~]"
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def clean(text: str, limit: int = LIMIT) -> str:
    """`text` in one line: no escape sequences, control or bidi characters; cut to `limit`.

    What is cut keeps its beginning and its end, with an ellipsis between, which counts: a refusal
    quotes the value first and says the cause last. Cleaning twice changes nothing more.
    """
    if len(text) <= limit and text.isprintable() and "  " not in text:
        return text.strip()
    # A megabyte of blanks is still a megabyte: cut before the costly part, too.
    text = _ESCAPE_SEQUENCE.sub("", _shortened(text, limit * 8))
    text = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else cut(mask(text), limit)


def cut(text: str, limit: int) -> str:
    """The beginning and the end of `text` with an ellipsis between, if it is longer than `limit`.

    Mask secrets first.
    """
    if len(text) <= limit:
        return text
    end = (limit - len(ELLIPSIS)) // _SHARE_OF_END
    begin = limit - len(ELLIPSIS) - end
    return text[:begin].rstrip() + ELLIPSIS + text[len(text) - end :].lstrip()


def _shortened(text: str, part: int) -> str:
    """Leave out what is neither in the first nor in the last `part` characters.

    The end begins with a whole word: the rest of a secret would not be recognized as one.
    """
    if len(text) <= 2 * part:
        return text
    end = text[-part:]
    blank = _BLANK.search(end)
    return text[:part] + ELLIPSIS + (end[blank.start() :] if blank else "")


def is_unicode(text: str) -> bool:
    """Say whether `text` can be encoded; a lone surrogate, half of a pair, cannot.

    Python puts one in the place of each byte of an argument or a file's name that is not UTF-8.
    """
    return not any("\ud800" <= char <= "\udfff" for char in text)


def visible(text: str) -> str:
    """`text` in full and in one line, with a blank for each control or bidi character."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
