"""What may be a secret, masked in text that somebody else wrote about our credentials."""

import re
from typing import Final

from fleetpatch.model.masking import REDACTED

_SECRET_LIKE: Final = re.compile(r"[A-Za-z0-9+_=-]{24,}")


def without_secrets(text: str) -> str:
    """`text` with everything masked that may be a token: long runs of letters and digits."""
    return _SECRET_LIKE.sub(REDACTED, text)
