"""The `Warning` headers of answers: deprecated versions, unknown fields, violations of policies.

The format is that of RFC 7234, section 5.5, of which Kubernetes uses the code 299::

    Warning: 299 - "batch/v1beta1 CronJob is deprecated in v1.21+"

One header may have several warnings, and one answer several headers. After a malformed warning the
rest of its header is skipped, as in client-go.
"""

import re
from collections.abc import Callable, Iterable
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache
from typing import Final

from fleetpatch.model.answer import add_warnings
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.masking import mask
from fleetpatch.model.text import clean

_CODE: Final = "299"
_PER_ANSWER: Final = 20
"""Warnings of one answer that are counted; more would only fill the log."""
# Possessive quantifiers keep the time linear for any header.
_WARNING: Final = re.compile(
    r'\s*+(?P<code>\d{3})\s++\S++\s++"(?P<text>[^"\\]*+(?:\\.[^"\\]*+)*+)"(?:\s++"[^"]*+")?+\s*+'
    r"(?:,|$)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class ServerWarnings:
    """Counts the warnings of one server by text; `on_new` is called once for each text."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.on_new: Callable[[str], None] = ignore

    def note(self, headers: Iterable[str], without_secrets: Callable[[str], str]) -> None:
        """Count the warnings of one answer; `without_secrets` masks the secrets of its request."""
        texts = [text for header in headers for text in texts_of(header)]
        for text in texts[:_PER_ANSWER]:
            # Masked again after cleaning: control characters may have been within a secret.
            shown = mask(clean(without_secrets(clean(without_secrets(text)))))
            if shown in self.counts:
                self.counts[shown] += 1
                continue
            # `add_warnings` limits the number of texts, so this one may not be in the result.
            self.counts = add_warnings(self.counts, {shown: 1})
            if shown in self.counts:
                self.on_new(shown)


@lru_cache(maxsize=64)
def texts_of(header: str) -> tuple[str, ...]:
    """Return the texts of one header, as they came; cached, since servers repeat their warnings."""
    texts = []
    at = 0
    while at < len(header) and (found := _WARNING.match(header, at)):
        text = _decoded(_ESCAPED.sub(r"\1", found["text"]))
        if found["code"] == _CODE and text.strip():
            texts.append(text)
        at = found.end()
    return tuple(texts)


def _decoded(text: str) -> str:
    """Decode RFC 2047, in which older servers write text that is not ASCII."""
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, ValueError, LookupError):
        return text
