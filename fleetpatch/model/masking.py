"""Find secrets in text by their names or their form, and mask them.

This is the last defence before a log line: the tool itself never writes secrets, but a message of a
server or proxy may quote one.
"""

import re
from collections.abc import Iterable
from typing import Final

REDACTED: Final = "[redacted]"

_NAMES: Final = (
    r"token|password|passwd|passphrase|secret|authorization|signature"
    r"|(?:api|access|secret)[_-]?key(?:[_-]?id)?"
)

_SECRET_NAME: Final = re.compile(rf"(?:{_NAMES})$", re.IGNORECASE)

_QUOTE: Final = r"\\?[\"']"
"""A quotation mark, possibly escaped: JSON within the message of a Status is escaped."""

# Each alternative excludes text that is masked already, so that masking twice changes nothing.
_SECRET: Final = re.compile(
    r"\b(?P<scheme>Bearer|Basic)\s+(?!\[redacted\])[^\s\"',;]+"
    # What follows is the key's id, the signed headers, and the signature.
    r"|\b(?P<signed>SDK-HMAC-SHA256)\s+(?!\[redacted\])Access=[^\s\"',]*(?:,\s*\w+=[^\s\"',]*)*"
    # A name is tried from its first character only, which keeps the time linear.
    rf"|(?P<name>(?<![\w-])[\w-]*(?:{_NAMES})(?:{_QUOTE})?\s*[=:]\s*)"
    rf"(?!Bearer\b|Basic\b|SDK-HMAC-SHA256\b|(?:{_QUOTE})?\[redacted\])"
    # Text that was cut may lack its closing quote.
    r"(?:\\\"[^\"]*\"?|\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|[^\s\"',;&]+)"
    r"|(?P<user>://[^\s/@:]*:)(?!\[redacted\])[^\s/@]+(?=@)"
    # A JSON Web Token. Its run of characters is tried once, and only before a dot: linear, too.
    r"|(?P<before>(?<![\w-])(?=[\w-]*+\.)[\w-]*?)\beyJ[\w-]{8,}+(?:\.[\w-]*){1,2}",
    re.IGNORECASE,
)

_SECRET_LIKE: Final = re.compile(r"[A-Za-z0-9+_=-]{24,}")
"""A run of letters and digits that is longer than most names; tokens and keys are longer still."""

_NAMED_SECRET: Final = re.compile(
    r"(?i)((?:password|passwd|secret|token|key)[\"']?\s*=\s*|\bbearer\s+)\S+"
)


def is_secret_name(key: str) -> bool:
    """Report whether the value of this key is a secret, whatever its form: `token`, `apiKey`."""
    return _SECRET_NAME.search(key) is not None


def mask(text: str) -> str:
    """Replace every secret in `text` by `[redacted]`; masking twice changes nothing more."""
    return _SECRET.sub(_redacted, text)


def mask_known(text: str, secrets: Iterable[str]) -> str:
    """Replace these secrets in `text`; the longest must come first.

    Otherwise the rest of a secret that contains another one would be left.
    """
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def mask_strictly(text: str) -> str:
    """Mask everything in `text` that may be a secret; for text about our own credentials.

    It masks long runs of letters and digits, and what follows `password=`, `Bearer` and the like.
    Call it before the text is cut: the rest of a token that was cut may be too short to be found.
    """
    return _SECRET_LIKE.sub(REDACTED, _NAMED_SECRET.sub(rf"\1{REDACTED}", text))


def _redacted(found: re.Match[str]) -> str:
    """Keep what introduces the secret: `Bearer`, `password=`, `://user:`."""
    if scheme := found["scheme"] or found["signed"]:
        return f"{scheme} {REDACTED}"
    return f"{found['name'] or found['user'] or found['before'] or ''}{REDACTED}"
