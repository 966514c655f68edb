"""Decides the next request of a paged LIST, from the position, the pages so far and the answer.

::

    200                     the page; continue from its token, or end
    200, no new object      likewise after a pause; an error if there are more such pages than
                            pages with new objects, plus 20
    200, a known token      ClusterError: the list would repeat itself for ever
    200, a uid twice        ClusterError, if the two objects have different names
    410 with a token        the list's version has expired: pause, and continue after the same key
                            at the newest version, at most 20 times in all
    410 without a token     pause and start again, at most 3 times
    timeout, 504, too large halve the limit, and continue from the same token
    anything else           ClusterError: a list is never cut short silently

So the number of requests is bounded by the number of objects. A server that invents new objects
without end looks like a large one; `guards.maxTargets` protects from that.

A list that continued at another version or started again may miss objects that changed, and may
have objects twice. Its pages are marked `inconsistent` from there on, and the caller drops
duplicates.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from fleetpatch.errors import ClusterError, UnreachableError
from fleetpatch.kube.http.decoding import (
    Raw,
    RawReply,
    continue_token,
    decode_answer,
    decode_page,
    unreadable_item,
)
from fleetpatch.kube.retry import is_timeout
from fleetpatch.model.answer import NoAnswer, one_line_with_reason
from fleetpatch.model.ports import Page
from fleetpatch.model.target import Seen
from fleetpatch.model.text import clean

_BITS: Final = 2**23
"""Bits of the map of uids: 1 MiB for a list of any length."""


class ListProgress:
    """Detects pages and objects that a list has repeated since it was started, in bounded memory.

    A uid sets one bit of a map, chosen by its hash. Two uids may share a bit, so a new object may
    count as known; but a page counts as repeated only if all of its objects do. Tokens are kept as
    hashes. A list of one page allocates neither.
    """

    def __init__(self) -> None:
        self._tokens: set[int] = set()
        self._uids = bytearray()

    def clear(self) -> None:
        """Forget all pages, since the list starts again with the first."""
        self._tokens.clear()
        self._uids = bytearray()

    def is_new_token(self, token: str) -> bool:
        """Add a token; return False if it was added before."""
        known = len(self._tokens)
        self._tokens.add(hash(token))
        return len(self._tokens) > known

    def has_new_objects(self, items: Iterable[Seen]) -> bool:
        """Add the objects of a page; return False if all of them were added before."""
        bits = self._uids = self._uids or bytearray(_BITS // 8)
        new = False
        for seen in items:
            place, bit = divmod(hash(seen.uid) % _BITS, 8)
            if not bits[place] >> bit & 1:
                bits[place] |= 1 << bit
                new = True
        return new


PAGE: Final = 500
"""Objects of the first page; kubectl's `--chunk-size`."""
SMALLEST_PAGE: Final = 50
"""Objects; for a server that cannot send so many in time, smaller pages are no remedy."""
RESTARTS: Final = 3
"""Starts after the first. etcd keeps a version for 5 minutes; a longer list fails each time."""
EXPIRIES: Final = 20
"""410s in one list. Each new version lasts 5 minutes, so that is over an hour of listing."""
REPEATS: Final = 20
"""Pages without a new object that a list of any length may have."""
_QUOTED: Final = 500
"""Characters to quote of two objects with one uid."""
_TOO_LARGE: Final = re.compile(r"too large|larger than max|resource ?exhausted", re.IGNORECASE)
"""Texts of etcd and gRPC in a 500 for a page that exceeds their message size."""


class Kept(msgspec.Struct, frozen=True):
    """What is kept of each object: labels and annotations, or all `metadata`, or the `whole`.

    `managed` keeps the managedFields as well.
    """

    whole: bool = False
    metadata: bool = False
    managed: bool = False


class Position(msgspec.Struct, frozen=True):
    """The next page to request, and counts of what has happened to the list so far.

    `expiries` counts all 410s. Since the list was last started, `new_pages` counts the pages with
    new objects and `repeated_pages` those without.
    """

    limit: int = PAGE
    token: str = ""
    restarts: int = 0
    expiries: int = 0
    new_pages: int = 0
    repeated_pages: int = 0
    inconsistent: bool = False
    kept: Kept = msgspec.field(default_factory=Kept)

    @property
    def is_smallest(self) -> bool:
        """Whether pages cannot be halved again."""
        return self.limit <= SMALLEST_PAGE


class NextStep(msgspec.Struct, frozen=True):
    """The page that an answer contained, if any, and the next position; None at the end.

    `pauses` is the number of pauses for the same reason, including the one before the next request;
    0 means that there is none.
    """

    page: Page | None
    position: Position | None
    pauses: int = 0


def next_step(position: Position, progress: ListProgress, raw: RawReply, what: str) -> NextStep:
    """Decide what to do after an answer, and add its page to `progress`.

    `what` describes the list in messages. Raises ClusterError if the list cannot be continued.
    """
    match raw:
        case Raw(status=200, is_complete=True):
            return _page(position, progress, raw, what)
        case Raw(status=410):
            return _after_expiry(position, progress, raw, what)
        case _ if _is_too_much(raw) and not position.is_smallest:
            return NextStep(None, replace(position, limit=max(SMALLEST_PAGE, position.limit // 2)))
        case _:
            raise _refused(raw, what)


def _page(position: Position, progress: ListProgress, raw: Raw, what: str) -> NextStep:
    kept = position.kept
    page = decode_page(raw, whole=kept.whole, metadata=kept.metadata, managed=kept.managed)
    if page is None:
        problem = unreadable_item(raw) or decode_answer(raw).message or "of objects"
        raise ClusterError(
            f"{what}: the answer is not a list ({problem}); "
            "check the proxies and gateways on the way to the server"
        )
    if problem := _two_names(page.items):
        raise ClusterError(
            f"{what}: {clean(raw.mask(problem), _QUOTED)}; "
            "check the proxies and gateways on the way to the server"
        )
    shown = Page(page.items, position.inconsistent, page.api_version, page.kind)
    if not page.token:
        return NextStep(shown, None)
    # Before the objects: a server that ignores `continue` sends its first page again and again.
    if not progress.is_new_token(page.token):
        raise ClusterError(
            f"{what}: the list does not end, since the server answers with the same page again;"
            " check the proxies and gateways on the way to the server"
        )
    if progress.has_new_objects(page.items):
        return NextStep(
            shown, replace(position, token=page.token, new_pages=position.new_pages + 1)
        )
    repeated_pages = position.repeated_pages + 1
    if repeated_pages > REPEATS + position.new_pages:
        raise ClusterError(
            f"{what}: the list does not end, since {repeated_pages} pages had no new objects;"
            " narrow the selector or the namespaces,"
            " or check the proxies and gateways on the way to the server"
        )
    onward = replace(position, token=page.token, repeated_pages=repeated_pages)
    return NextStep(shown, onward, repeated_pages)


def _two_names(items: Sequence[Seen]) -> str:
    """Report two objects of a page with one uid; empty if there are none.

    They would count as one object, which is on two pages if it changed in between.
    """
    if len({seen.uid for seen in items}) == len(items):
        return ""
    names: dict[str, tuple[str, str]] = {}
    for seen in items:
        name = (seen.namespace, seen.name)
        first = names.setdefault(seen.uid, name)
        if seen.uid and first != name:
            shown = " and ".join("/".join(filter(None, one)) for one in (first, name))
            return f"the list contains {shown}, which have the same uid ({seen.uid})"
    return ""


def _after_expiry(position: Position, progress: ListProgress, raw: Raw, what: str) -> NextStep:
    token, expiries = continue_token(raw), position.expiries + 1
    if token and expiries <= EXPIRIES:
        onward = replace(position, token=token, expiries=expiries, inconsistent=True)
        return NextStep(None, onward, expiries)
    # With a token the list has expired too often; without one it has been started too often.
    if position.restarts == RESTARTS or token:
        raise ClusterError(
            f"{what}: the list expired {expiries} times and was started again {position.restarts} "
            "times; narrow the selector or the namespaces, or try when the server is less busy"
        )
    progress.clear()
    restarts = position.restarts + 1
    # The limit is kept, since a larger page was too large before; the other counts start again.
    first = Position(
        position.limit,
        restarts=restarts,
        expiries=expiries,
        inconsistent=True,
        kept=position.kept,
    )
    return NextStep(None, first, restarts)


def _is_too_much(raw: RawReply) -> bool:
    if is_timeout(raw):
        return True
    if isinstance(raw, NoAnswer):
        return False
    match raw.status:
        case 200:  # cut at our own size limit
            return not raw.is_complete
        case 413:
            return True
        case 500:
            return bool(_TOO_LARGE.search(raw.body.decode(errors="replace")))
        case _:
            return False


def _refused(raw: RawReply, what: str) -> ClusterError:
    reply = decode_answer(raw) if isinstance(raw, Raw) else raw
    shown = one_line_with_reason(reply)
    match raw:
        case NoAnswer():
            return UnreachableError(
                f"{what}: no answer ({shown}); check the address and the network"
            )
        case Raw(status=200):
            return ClusterError(f"{what}: even {SMALLEST_PAGE} objects are too many bytes to read")
        case Raw(status=400):
            return ClusterError(
                f"{what}: the server refuses the list ({shown}); check the selector"
            )
        case Raw(status=403):
            return ClusterError(
                f"{what}: not allowed ({shown}); have the verb `list` granted to the user"
            )
        case Raw(status=404):
            return ClusterError(f"{what}: not served any more ({shown}); check `kinds`")
        case _:
            return ClusterError(f"{what}: the list failed ({shown}); try again later")
