"""Clean and shorten foreign text for one line of a terminal, log or report.

A server's messages, and the names and values of its objects, may contain escape sequences, bidi
controls, line breaks, or a megabyte of text. Everything that is shown of them passes through here,
and all shortening is done here. Secrets are masked before a text is cut, because a part of a secret
is not recognized.
"""

import re
import unicodedata
from typing import Final

from fleetpatch.model.masking import mask

LIMIT: Final = 500
"""Characters to keep of a text by default: several lines of a terminal."""

ELLIPSIS: Final = "…"

_SHARE_OF_END: Final = 3
"""One in three characters of a cut text is from its end."""

_BLANK: Final = re.compile(r"\s")

_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS...
    r"|\x1b[ -/]*[0-~]"
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories: control, format (bidi), surrogate, private use, line and paragraph breaks."""


def clean(text: str, limit: int = LIMIT) -> str:
    """Return `text` in one line without escape sequences, control or bidi characters.

    It is cut to `limit` characters, ellipsis included. A cut text keeps its beginning and its end:
    a server's refusal quotes the value first and names the cause last. Cleaning is idempotent.
    """
    # Most texts need no more than this. Only a printable text can have no escape sequence.
    if len(text) <= limit and text.isprintable() and "  " not in text:
        return text.strip()
    # Shorten first: the steps below are slow on a megabyte of text. Blanks are joined below, so
    # keep some more than `limit`.
    text = _ESCAPE_SEQUENCE.sub("", _shortened(text, limit * 8))
    text = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else cut(mask(text), limit)


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and end with an ellipsis if it is longer than `limit`.

    Mask secrets first.
    """
    if len(text) <= limit:
        return text
    end = (limit - len(ELLIPSIS)) // _SHARE_OF_END
    begin = limit - len(ELLIPSIS) - end
    return text[:begin].rstrip() + ELLIPSIS + text[len(text) - end :].lstrip()


def _shortened(text: str, part: int) -> str:
    """Keep the first and the last `part` characters.

    The end starts with a whole word, because the rest of a secret would not be recognized.
    """
    if len(text) <= 2 * part:
        return text
    end = text[-part:]
    blank = _BLANK.search(end)
    return text[:part] + ELLIPSIS + (end[blank.start() :] if blank else "")


def is_unicode(text: str) -> bool:
    """Report whether `text` can be encoded as UTF-8, which a lone surrogate cannot.

    Python decodes bytes of arguments and file names that are not UTF-8 to lone surrogates.
    """
    return not any("\ud800" <= char <= "\udfff" for char in text)


def visible(text: str) -> str:
    """Return all of `text` in one line, with a blank for each control or bidi character."""
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
