"""Text that others wrote, made fit for one line of a terminal, log or report.

A server's messages, and the names and values of its objects, may hold escape sequences, bidi
controls, line ends or a megabyte. Whatever of them is shown passes through here first.
"""

import re
import unicodedata
from typing import Final

LIMIT: Final = 500
"""Characters that a piece of text keeps."""

ELLIPSIS: Final = "…"

_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS...
    r"|\x1b[ -/]*[0-~]"
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def clean(text: str, limit: int = LIMIT) -> str:
    """`text` in one line: no escape sequences, control or bidi characters; cut at `limit`.

    What is cut ends in an ellipsis, which counts. Cleaning twice changes nothing more.
    """
    if len(text) <= limit and text.isprintable() and "  " not in text:
        return text.strip()
    # A megabyte of blanks is still a megabyte: cut before the costly part, too.
    text = _ESCAPE_SEQUENCE.sub("", text[: limit * 8])
    text = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS
