"""What to do after each page of a LIST, as a pure function of the position and the answer.

::

    200                     the page; go on from its token, or end
    410 with a token        the list's version has expired: go on from the same key at the newest
    410 without             start again, at most 3 times
    timeout, 504, too large halve the page, and go on from the same token
    anything else           ClusterError: never a list cut short in silence

A list that went on or started again may miss what moved and show objects twice: from there on its
pages are marked `inconsistent`, and who collects them drops what comes twice.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from fleetpatch.errors import ClusterError
from fleetpatch.kube.patience import is_slow
from fleetpatch.kube.wire import Raw, RawReply, answer, describe, listed, token_to_go_on
from fleetpatch.model.answer import NoAnswer
from fleetpatch.model.ports import Page

PAGE: Final = 500
"""Objects asked for at first."""
SMALLEST_PAGE: Final = 50
RESTARTS: Final = 3
_EXPIRIES: Final = 20
_TOO_LARGE: Final = re.compile(r"too large|larger than max|resource ?exhausted", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list stands. `expiries` counts 410s since the last page came."""

    limit: int = PAGE
    token: str = ""
    restarts: int = 0
    expiries: int = 0
    inconsistent: bool = False
    whole: bool = False

    @property
    def is_smallest(self) -> bool:
        """Whether pages cannot be made smaller."""
        return self.limit <= SMALLEST_PAGE


@dataclass(frozen=True, slots=True)
class Turn:
    """What an answer brought: a page, or None, and where to go on, or None at the end."""

    page: Page | None
    position: Position | None


def turn(position: Position, raw: RawReply, what: str) -> Turn:
    """Decide after an answer. `what` says in messages what is listed, and where.

    Raises ClusterError where the list cannot go on.
    """
    match raw:
        case Raw(status=200, whole=True):
            return _page(position, raw, what)
        case Raw(status=410):
            return Turn(None, _after_expiry(position, raw, what))
        case _ if _is_too_much(raw) and not position.is_smallest:
            return Turn(None, replace(position, limit=max(SMALLEST_PAGE, position.limit // 2)))
        case _:
            raise _refused(raw, what)


def _page(position: Position, raw: Raw, what: str) -> Turn:
    page = listed(raw, whole=position.whole)
    if page is None:
        raise ClusterError(
            f"{what}: the answer is no list ({answer(raw).message or 'of objects'}); "
            "look at what stands between us and the server"
        )
    if page.token and page.token == position.token:
        raise ClusterError(f"{what}: the server gives the same page again and again; report it")
    shown = Page(page.items, inconsistent=position.inconsistent)
    if not page.token:
        return Turn(shown, None)
    return Turn(shown, replace(position, token=page.token, expiries=0))


def _after_expiry(position: Position, raw: Raw, what: str) -> Position:
    token = token_to_go_on(raw)
    if token and position.expiries < _EXPIRIES:
        return replace(position, token=token, expiries=position.expiries + 1, inconsistent=True)
    if position.restarts == RESTARTS:
        raise ClusterError(
            f"{what}: the list expired and was started again {RESTARTS} times; narrow the "
            "selector or the namespaces, or try when the server is less busy"
        )
    return replace(
        position, token="", restarts=position.restarts + 1, expiries=0, inconsistent=True
    )


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
    reply = answer(raw) if isinstance(raw, Raw) else raw
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
