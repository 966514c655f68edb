"""What to do after each page of a LIST: a function of position, earlier pages and the answer.

::

    200                     the page; go on from its token, or end
    200, nothing new        the same after a pause; more of them than pages that were new, and
                            20 beyond, are an error
    200, a token again      ClusterError: the list goes round in circles
    410 with a token        the list's version has expired: pause, and go on from the same key at
                            the newest, at most 20 times in all
    410 without             pause and start again, at most 3 times
    timeout, 504, too large halve the page, and go on from the same token
    anything else           ClusterError: never a list cut short in silence

So a list ends after a number of requests that follows from the number of its objects. A server that
invents new objects for ever cannot be told from a large one; `guards.maxTargets` is for that.

A list that went on or started again may miss what moved and show objects twice: from there on its
pages are marked `inconsistent`, and who collects them drops what comes twice.

Whether a list gets on: what its pages have shown before, in bounded memory.

Uids are kept as bits of a map of 1 MiB, by their hash. Two uids may share a bit, so a new object
may count as seen before; but a page counts as repeated only if all of its objects do. Of tokens the
hashes are kept, one a page. A list of one page needs neither.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from fleetpatch.errors import ClusterError
from fleetpatch.kube.http.decoding import (
    Raw,
    RawReply,
    continue_token,
    decode_answer,
    decode_page,
    describe,
)
from fleetpatch.kube.retry import is_slow
from fleetpatch.model.answer import NoAnswer
from fleetpatch.model.ports import Page
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


PAGE: Final = 500
"""Objects asked for at first."""
SMALLEST_PAGE: Final = 50
RESTARTS: Final = 3
EXPIRIES: Final = 20
REPEATS: Final = 20
_TOO_LARGE: Final = re.compile(r"too large|larger than max|resource ?exhausted", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list stands.

    `expiries` counts all 410s. `new` counts the pages that showed new objects, and `repeats` those
    that did not, since the list was started (again).
    """

    limit: int = PAGE
    token: str = ""
    restarts: int = 0
    expiries: int = 0
    new: int = 0
    repeats: int = 0
    inconsistent: bool = False
    whole: bool = False

    @property
    def is_smallest(self) -> bool:
        """Whether pages cannot be made smaller."""
        return self.limit <= SMALLEST_PAGE


@dataclass(frozen=True, slots=True)
class NextStep:
    """What an answer brought: a page, or None, and where to go on, or None at the end.

    `waits` is how often it has been paused for the same reason, this pause included; 0 for none.
    """

    page: Page | None
    position: Position | None
    waits: int = 0


def next_step(position: Position, novelty: Novelty, raw: RawReply, what: str) -> NextStep:
    """Decide after an answer, and note in `novelty` what it shows.

    `what` says in messages what is listed, and where. Raises ClusterError where the list cannot
    go on.
    """
    match raw:
        case Raw(status=200, whole=True):
            return _page(position, novelty, raw, what)
        case Raw(status=410):
            return _after_expiry(position, novelty, raw, what)
        case _ if _is_too_much(raw) and not position.is_smallest:
            return NextStep(None, replace(position, limit=max(SMALLEST_PAGE, position.limit // 2)))
        case _:
            raise _refused(raw, what)


def _page(position: Position, novelty: Novelty, raw: Raw, what: str) -> NextStep:
    page = decode_page(raw, whole=position.whole)
    if page is None:
        raise ClusterError(
            f"{what}: the answer is no list ({decode_answer(raw).message or 'of objects'}); "
            "look at what stands between us and the server"
        )
    shown = Page(page.items, position.inconsistent, page.api_version, page.kind)
    if not page.token:
        return NextStep(shown, None)
    if not novelty.is_new_token(page.token):
        raise ClusterError(
            f"{what}: the list does not end, since the server answers with the same page again;"
            " look at what is between us and the server"
        )
    if novelty.has_new(page.items):
        return NextStep(shown, replace(position, token=page.token, new=position.new + 1))
    repeats = position.repeats + 1
    if repeats > REPEATS + position.new:
        raise ClusterError(
            f"{what}: the list does not end, since {repeats} pages had no new objects; narrow the"
            " selector or the namespaces, or look at what is between us and the server"
        )
    return NextStep(shown, replace(position, token=page.token, repeats=repeats), repeats)


def _after_expiry(position: Position, novelty: Novelty, raw: Raw, what: str) -> NextStep:
    token, expiries = continue_token(raw), position.expiries + 1
    if token and expiries <= EXPIRIES:
        onward = replace(position, token=token, expiries=expiries, inconsistent=True)
        return NextStep(None, onward, expiries)
    if position.restarts == RESTARTS or token:
        raise ClusterError(
            f"{what}: the list expired {expiries} times and was started again {position.restarts} "
            "times; narrow the selector or the namespaces, or try when the server is less busy"
        )
    novelty.clear()
    restarts = position.restarts + 1
    first = Position(
        position.limit,
        restarts=restarts,
        expiries=expiries,
        inconsistent=True,
        whole=position.whole,
    )
    return NextStep(None, first, restarts)


def _is_too_much(raw: RawReply) -> bool:
    if is_slow(raw):
        return True
    if isinstance(raw, NoAnswer):
        return False
    match raw.status:
        case 200:
            return not raw.whole
        case 413:
            return True
        case 500:
            return bool(_TOO_LARGE.search(raw.body.decode(errors="replace")))
        case _:
            return False


def _refused(raw: RawReply, what: str) -> ClusterError:
    reply = decode_answer(raw) if isinstance(raw, Raw) else raw
    said = describe(reply)
    match raw:
        case NoAnswer():
            return ClusterError(f"{what}: no answer ({said}); check the address and the network")
        case Raw(status=200):
            return ClusterError(f"{what}: even {SMALLEST_PAGE} objects are too many bytes to read")
        case Raw(status=400):
            return ClusterError(f"{what}: the server refuses the list ({said}); check the selector")
        case Raw(status=403):
            return ClusterError(
                f"{what}: not allowed ({said}); have the verb `list` granted to the user"
            )
        case Raw(status=404):
            return ClusterError(f"{what}: not served any more ({said}); check `kinds`")
        case _:
            return ClusterError(f"{what}: the list cannot be had ({said}); try again later")
