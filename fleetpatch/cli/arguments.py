"""The words of the command line, before any of them is parsed."""

import os
from collections.abc import Sequence

from fleetpatch.errors import UsageError


def refuse_undecodable(words: Sequence[str]) -> None:
    """Raise UsageError for the first word that is not valid in the locale's encoding, by name.

    Python keeps such bytes as lone surrogates, which no server, run file or log can take.
    """
    for position, word in enumerate(words):
        if _is_decodable(word):
            continue
        shown = os.fsencode(word).decode("utf-8", "backslashreplace")
        before = words[position - 1] if position else ""
        after = f" after {before}" if before.startswith("-") and "=" not in before else ""
        raise UsageError(
            f"the argument '{shown}'{after} is not valid UTF-8; nothing was sent: "
            "give it in UTF-8, in a UTF-8 locale"
        )


def _is_decodable(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
