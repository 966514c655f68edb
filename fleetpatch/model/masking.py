"""Secrets, found by their names or by their looks, and masked.

The last net before a log line: nothing here should ever find anything, since no part of the project
hands a secret on. A server's or a proxy's message may quote one all the same.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_NAMES: Final = (
    r"token|password|passwd|passphrase|secret|authorization|signature"
    r"|(?:api|access|secret)[_-]?key(?:[_-]?id)?"
)

_SECRET_NAME: Final = re.compile(rf"(?:{_NAMES})$", re.IGNORECASE)

_QUOTE: Final = r"\\?[\"']"

_SECRET: Final = re.compile(
    r"\b(?P<scheme>Bearer|Basic)\s+(?!\[redacted\])[^\s\"',;]+"
    # All that follows is the key's id, what was signed, and the signature.
    r"|\b(?P<signed>SDK-HMAC-SHA256)\s+(?!\[redacted\])Access=[^\s\"',]*(?:,\s*\w+=[^\s\"',]*)*"
    rf"|(?P<name>\b[\w-]*(?:{_NAMES})(?:{_QUOTE})?\s*[=:]\s*)"
    rf"(?!Bearer\b|Basic\b|SDK-HMAC-SHA256\b|(?:{_QUOTE})?\[redacted\])"
    # What is cut may lack its closing quote.
    r"(?:\\\"[^\"]*\"?|\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s\"',;&]+)"
    r"|(?P<user>://[^\s/@:]*:)(?!\[redacted\])[^\s/@]+(?=@)"
    r"|\beyJ[\w-]{8,}(?:\.[\w-]*){1,2}",  # a JSON Web Token
    re.IGNORECASE,
)

_SECRET_LIKE: Final = re.compile(r"[A-Za-z0-9+_=-]{24,}")
_NAMED_SECRET: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|key)[\"']?\s*=\s*|\bbearer\s+)\S+"
)


def is_secret_name(key: str) -> bool:
    """Whether what stands under this key is secret whatever it looks like: `token`, `apiKey`."""
    return _SECRET_NAME.search(key) is not None


def mask(text: str) -> str:
    """`text` with every secret in it replaced by `[redacted]`; masking twice changes nothing."""
    return _SECRET.sub(_keep_the_mark, text)


def mask_strictly(text: str) -> str:
    """`text` with everything masked that may be a secret, for text about our own credentials.

    That is a long run of letters and digits, and what follows `password=`, `Bearer` and the like.
    Mask before the text is cut: the rest of a token that was cut may be short.
    """
    return _SECRET_LIKE.sub(REDACTED, _NAMED_SECRET.sub(rf"\1{REDACTED}", text))


def _keep_the_mark(found: re.Match[str]) -> str:
    """What tells that a secret stood here stays: `Bearer`, `password=`, `://user:`."""
    if scheme := found["scheme"] or found["signed"]:
        return f"{scheme} {REDACTED}"
    return f"{found['name'] or found['user'] or ''}{REDACTED}"
