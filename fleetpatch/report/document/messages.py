"""Which messages are alike: those that differ only in names, values and numbers."""

import re
from functools import lru_cache
from typing import Final

from fleetpatch.model.text import ELLIPSIS, clean

_LIMIT: Final = 300
_QUOTED: Final = re.compile(r'"[^"]*"|(?<!\w)\'[^\']*\'(?!\w)')
# A kind before the name of an object: `jobs.batch "etl-7"`.
_NAMED: Final = re.compile(rf'[\w-]+\.[\w.-]+(?= "{ELLIPSIS}")')
_DIGIT: Final = re.compile(r"\d")
_STATUS: Final = re.compile(r"[1-5]\d\d")
_AROUND: Final = "'\"(),;:."
"""What may stand around a word, and is no part of it."""


@lru_cache(maxsize=4096)
def pattern_of(message: str) -> str:
    """Return a message with an ellipsis in place of each name, value and number."""
    text = _QUOTED.sub(f'"{ELLIPSIS}"', clean(message, _LIMIT))
    words = [_pattern(word) if _DIGIT.search(word) else word for word in text.split()]
    text = " ".join(words)
    return _NAMED.sub(ELLIPSIS, text) if ELLIPSIS in text else text


def _pattern(word: str) -> str:
    """Return the pattern of a word with a digit: a number, an address, a uid, a name as etl-7."""
    inner = word.strip(_AROUND)
    # A status says what happened.
    return word if _STATUS.fullmatch(inner) else word.replace(inner, ELLIPSIS)
