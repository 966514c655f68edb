"""Credentials that are renewed once for all, and text made fit for one line.

Covered: sharing of renewals, failing ones, unasked rereading, what the client sends afterwards;
`one_line` and `without_secrets`. Left out: where grants come from (test_kube_kubeconfig).
"""

import asyncio
import math
from itertools import count

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.connection import Connection, Grant, Renewal
from fleetpatch.kube.credentials import SHARED_FOR, Credentials
from fleetpatch.kube.text import without_secrets
from tests.kube.peers import VirtualClock, an_object, http, in_turn, merge, opened, status, target


def credentials(
    renewal: Renewal | None, clock: VirtualClock, every: float = math.inf
) -> Credentials:
    connection = Connection(
        "ctx", "clu", "http://x", Grant("Bearer 0"), renewal=renewal, reread_every=every
    )
    return Credentials(connection, clock)


def refused(renewal: Renewal | None, clock: VirtualClock) -> Credentials:
    """Credentials of which the server does not want to know any more."""
    made = credentials(renewal, clock)
    made.refuse(made.grant)
    return made


class Numbered:
    """Grants that differ; `calls` counts them."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> Grant:
        self.calls += 1
        await asyncio.sleep(0)
        return Grant(f"Bearer {self.calls}")


async def test_what_can_not_change_is_not_renewed() -> None:
    assert not await refused(None, VirtualClock()).renew()


async def test_many_who_ask_at_once_cause_one_renewal() -> None:
    renewal = Numbered()
    shared = refused(renewal, VirtualClock())

    assert await asyncio.gather(*(shared.renew() for _ in range(64))) == [True] * 64
    assert renewal.calls == 1
    assert shared.grant == Grant("Bearer 1")


async def test_stragglers_share_a_renewal_however_late_they_come() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock)
    old = shared.grant

    for _ in range(5):
        shared.refuse(old)
        assert await shared.renew()
        clock.now += SHARED_FOR

    assert renewal.calls == 1


async def test_a_grant_that_is_refused_soon_after_it_came_is_replaced_too() -> None:
    renewal = Numbered()
    shared = credentials(renewal, VirtualClock())

    for call in (1, 2, 3):
        shared.refuse(shared.grant)
        assert await shared.renew()
        assert shared.grant == Grant(f"Bearer {call}")


async def test_a_renewal_that_fails_is_shared_too_and_says_why() -> None:
    calls, clock = count(1), VirtualClock()

    async def fails() -> Grant:
        raise CredentialsError(f"plugin failed, run {next(calls)}")

    shared = refused(fails, clock)

    assert await asyncio.gather(*(shared.renew() for _ in range(64))) == [False] * 64
    assert shared.trouble == "plugin failed, run 1"
    assert shared.grant == Grant("Bearer 0")
    clock.now += SHARED_FOR
    assert not await shared.renew()
    assert shared.trouble == "plugin failed, run 2"


async def test_the_same_token_again_is_no_change() -> None:
    async def same() -> Grant:
        return Grant("Bearer 0")

    assert not await refused(same, VirtualClock()).renew()


async def test_a_grant_is_reread_when_it_is_due() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock, every=60.0)

    assert not shared.is_due()
    clock.now += 60
    assert shared.is_due()
    await shared.refresh()
    assert not shared.is_due()
    assert shared.grant == Grant("Bearer 1")


async def test_a_401_to_a_token_that_was_just_reread_is_worth_another_try() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock, every=60.0)
    shared.refuse(shared.grant)
    clock.now += 60

    await shared.refresh()

    assert await shared.renew()
    assert renewal.calls == 1


async def test_the_client_sends_what_was_renewed() -> None:
    answers = in_turn(status(401), http(200, an_object()))
    async with opened(answers, renewal=Numbered()) as (api, peer):
        await api.patch(target(), merge(b"{}"), dry_run=False)
        assert await api.renew()
        await api.patch(target(), merge(b"{}"), dry_run=False)

    assert peer.requests[1].headers["authorization"] == "Bearer 1"


def test_what_may_be_a_token_is_masked() -> None:
    jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZSJ9"

    assert without_secrets(f"bad token {jwt}, log in") == "bad token [redacted].[redacted], log in"
