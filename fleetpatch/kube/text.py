"""What may be a secret, masked in text that somebody else wrote about our credentials."""

import re
from typing import Final

from fleetpatch.model.masking import REDACTED

_SECRET_LIKE: Final = re.compile(r"[A-Za-z0-9+_=-]{24,}")
_NAMED_SECRET: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|key)[\"']?\s*=\s*|\bbearer\s+)\S+"
)


def without_secrets(text: str) -> str:
    """`text` with everything masked that may be a secret.

    That is a long run of letters and digits, and what follows `password=`, `Bearer` and the like.
    Mask before the text is cut: the rest of a token that was cut may be short.
    """
    return _SECRET_LIKE.sub(REDACTED, _NAMED_SECRET.sub(rf"\1{REDACTED}", text))
