"""Whether a list gets on: what its pages have shown before, in bounded memory.

Uids are kept as bits of a map of 1 MiB, by their hash. Two uids may share a bit, so a new object
may count as seen before; but a page counts as repeated only if all of its objects do. Of tokens the
hashes are kept, one a page. A list of one page needs neither.
"""

from collections.abc import Iterable
from typing import Final

from fleetpatch.model.target import Seen

_BITS: Final = 2**23


class Novelty:
    """What one list has shown since it was started."""

    def __init__(self) -> None:
        self._tokens: set[int] = set()
        self._uids = bytearray()

    def clear(self) -> None:
        """Forget all: the list starts again, and shows everything once more."""
        self._tokens.clear()
        self._uids = bytearray()

    def is_new_token(self, token: str) -> bool:
        """Note a token; False where it came before."""
        known = len(self._tokens)
        self._tokens.add(hash(token))
        return len(self._tokens) > known

    def has_new(self, items: Iterable[Seen]) -> bool:
        """Note the objects of a page; False where all of them came before."""
        bits = self._uids = self._uids or bytearray(_BITS // 8)
        new = False
        for seen in items:
            place, bit = divmod(hash(seen.uid) % _BITS, 8)
            if not bits[place] >> bit & 1:
                bits[place] |= 1 << bit
                new = True
        return new
