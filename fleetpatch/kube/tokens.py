"""Tokens that stand in files, which somebody else writes anew before they expire."""

from pathlib import Path
from typing import Final

from fleetpatch.errors import CredentialsError

REREAD_EVERY: Final = 60.0
"""Seconds; tokens of service accounts rotate within the hour."""


def read(file: Path) -> str:
    """Read the token out of `file`. Raises CredentialsError."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not text"
        raise CredentialsError(f"{file}: cannot read the token ({problem}); check it") from None
    if not is_token(token):
        raise CredentialsError(f"{file}: holds no token; write one into it")
    return token


def is_token(text: str) -> bool:
    """Tell whether `text` may stand in a header as it is."""
    return bool(text) and text.isascii() and text.isprintable()
