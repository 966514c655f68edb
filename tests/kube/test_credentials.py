"""Credentials that are renewed once for all workers, and the masking of text about them.

Covered: shared and failing renewals, token files that are read again, what the client sends
afterwards; `mask_strictly`. Left out: where grants come from (kubeconfig/test_connect).
"""

import asyncio
import math
import os
from itertools import count
from pathlib import Path

import pytest

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.connection import Connection, Grant, Renewal
from fleetpatch.kube.credentials import SHARED_FOR, Credentials, read_token
from fleetpatch.model.masking import mask_strictly
from tests.kube.peers import VirtualClock, an_object, http, in_turn, merge, opened, status, target


def credentials(
    renewal: Renewal | None, clock: VirtualClock, fresh_for: float = math.inf
) -> Credentials:
    grant = Grant.authorizing("Bearer 0", fresh_for=fresh_for)
    return Credentials(Connection("ctx", "clu", "http://x", grant, renewal=renewal), clock)


def refused(renewal: Renewal | None, clock: VirtualClock) -> Credentials:
    """Credentials that the server refused with a 401."""
    made = credentials(renewal, clock)
    made.note_refusal(made.grant)
    return made


class Numbered:
    """Grants that differ; `calls` counts them."""

    def __init__(self, fresh_for: float = math.inf) -> None:
        self.calls = 0
        self.fresh_for = fresh_for

    async def __call__(self) -> Grant:
        self.calls += 1
        await asyncio.sleep(0)
        return Grant.authorizing(f"Bearer {self.calls}", fresh_for=self.fresh_for)


async def test_a_grant_that_cannot_change_is_not_renewed() -> None:
    assert not await refused(None, VirtualClock()).renew()


async def test_many_workers_at_once_cause_one_renewal() -> None:
    renewal = Numbered()
    shared = refused(renewal, VirtualClock())

    assert await asyncio.gather(*(shared.renew() for _ in range(64))) == [True] * 64
    assert renewal.calls == 1
    assert shared.grant == Grant.authorizing("Bearer 1")


async def test_a_late_401_of_a_replaced_grant_causes_no_renewal() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock)
    old = shared.grant

    for _ in range(5):
        shared.note_refusal(old)
        assert await shared.renew()
        clock.now += SHARED_FOR

    assert renewal.calls == 1


async def test_a_new_grant_that_is_refused_at_once_is_replaced_too() -> None:
    renewal = Numbered()
    shared = credentials(renewal, VirtualClock())

    for call in (1, 2, 3):
        shared.note_refusal(shared.grant)
        assert await shared.renew()
        assert shared.grant == Grant.authorizing(f"Bearer {call}")


async def test_a_failed_renewal_is_shared_too_and_its_error_kept() -> None:
    calls, clock = count(1), VirtualClock()

    async def fails() -> Grant:
        raise CredentialsError(f"plugin failed, run {next(calls)}")

    shared = refused(fails, clock)

    assert await asyncio.gather(*(shared.renew() for _ in range(64))) == [False] * 64
    assert shared.last_error == "plugin failed, run 1"
    assert shared.grant == Grant.authorizing("Bearer 0")
    clock.now += SHARED_FOR
    assert not await shared.renew()
    assert shared.last_error == "plugin failed, run 2"


async def test_the_same_token_again_is_not_a_change() -> None:
    async def same() -> Grant:
        return Grant.authorizing("Bearer 0")

    assert not await refused(same, VirtualClock()).renew()


async def test_a_grant_is_renewed_when_it_is_due() -> None:
    renewal, clock = Numbered(fresh_for=100.0), VirtualClock()
    shared = credentials(renewal, clock, fresh_for=60.0)

    assert not shared.is_due()
    clock.now += 60
    assert shared.is_due()
    await shared.refresh()
    assert shared.grant == Grant.authorizing("Bearer 1")
    clock.now += 99
    assert not shared.is_due()
    clock.now += 1
    assert shared.is_due()


async def test_the_old_grant_is_used_while_a_renewal_runs() -> None:
    begun, allowed = asyncio.Event(), asyncio.Event()

    async def slow() -> Grant:
        begun.set()
        await allowed.wait()
        return Grant.authorizing("Bearer 1")

    clock = VirtualClock()
    shared = credentials(slow, clock, fresh_for=60.0)
    clock.now += 60
    renewing = shared.refresh()
    await begun.wait()

    assert not shared.is_due(), "one renewal serves all workers"
    assert shared.grant == Grant.authorizing("Bearer 0")
    allowed.set()
    await renewing
    assert shared.grant == Grant.authorizing("Bearer 1")


async def test_a_401_during_a_renewal_waits_for_it_and_causes_no_second_one() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock, fresh_for=60.0)
    clock.now += 60
    renewing = shared.refresh()
    shared.note_refusal(shared.grant)

    assert await asyncio.gather(*(shared.renew() for _ in range(64))) == [True] * 64
    await renewing
    assert renewal.calls == 1


async def test_a_renewal_that_is_due_during_one_after_a_401_is_the_same() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock, fresh_for=60.0)
    clock.now += 60
    shared.note_refusal(shared.grant)
    refused = asyncio.create_task(shared.renew())
    await asyncio.sleep(0)

    await shared.refresh()
    assert await refused
    assert renewal.calls == 1


async def test_a_renewal_that_fails_is_tried_again_after_pauses_that_double() -> None:
    async def fails() -> Grant:
        raise CredentialsError("no")

    clock = VirtualClock()
    shared = credentials(fails, clock, fresh_for=60.0)
    clock.now += 60
    for pause in (SHARED_FOR, 2 * SHARED_FOR, 4 * SHARED_FOR):
        assert shared.is_due()
        await shared.refresh()
        assert shared.last_error == "no"
        assert shared.grant == Grant.authorizing("Bearer 0")
        clock.now += pause - 1
        assert not shared.is_due()
        clock.now += 1


async def test_a_grant_that_is_never_due_is_renewed_only_after_a_401() -> None:
    async def fails() -> Grant:
        raise CredentialsError("no")

    clock = VirtualClock()
    shared = refused(fails, clock)
    assert not await shared.renew()
    clock.now += 1e9

    assert not shared.is_due()


async def test_a_running_renewal_ends_with_the_client() -> None:
    async def hangs() -> Grant:
        await asyncio.Event().wait()
        raise AssertionError

    shared = credentials(hangs, VirtualClock(), fresh_for=0.0)
    renewing = shared.refresh()
    await asyncio.sleep(0)

    await shared.close()

    assert renewing.cancelled()


async def test_a_401_to_a_token_that_was_just_reread_is_retried() -> None:
    renewal, clock = Numbered(), VirtualClock()
    shared = credentials(renewal, clock, fresh_for=60.0)
    shared.note_refusal(shared.grant)
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


def test_text_that_may_be_a_token_is_masked() -> None:
    jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZSJ9"

    assert mask_strictly(f"bad token {jwt}, log in") == "bad token [redacted].[redacted], log in"


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("pipe", "is a named pipe"),
        ("link to a device", "is a device"),
        ("folder", "Is a directory"),
        ("large", "it is larger than 1 MiB"),
        ("NUL", "its path contains a NUL"),
    ],
)
def test_a_token_file_must_be_a_small_regular_file_and_nothing_is_waited_for(
    tmp_path: Path, kind: str, problem: str
) -> None:
    file = tmp_path / "token"
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "link to a device":
            file.symlink_to("/dev/zero")
        case "folder":
            file.mkdir()
        case "large":
            file.write_bytes(b"x" * (1024 * 1024 + 1))
        case _:
            file = tmp_path / "a\0b"
    environment = LoginEnvironment("cluster c", VirtualClock(), {})

    with pytest.raises(CredentialsError, match=problem):
        read_token(file)
    with pytest.raises(CredentialsError, match=problem):
        environment.read_file(str(file), "the password")


def test_a_token_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"x" * 1024 * 1024)
    (tmp_path / "link").symlink_to("token")

    assert len(read_token(tmp_path / "link")) == 1024 * 1024
