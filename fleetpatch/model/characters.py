r"""Bytes of JSON whose text is not whole, read as Go's decoder, which API servers use, reads them.

Half of a surrogate pair (`"\ud800"`) and bytes that are not UTF-8 are U+FFFD to it.
"""

import re
from typing import Final

_HALF_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def with_whole_characters(body: bytes) -> bytes:
    """Put U+FFFD in their place; `body` itself where there are none."""
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode(errors="replace").encode()
    return _ESCAPE.sub(_whole_pairs, body) if _HALF_PAIR.search(body) else body


def _whole_pairs(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]
