"""One target on a cluster that does not answer, is starting, or refuses us, in virtual time.

Covered: doubt, what an earlier process left in it, servers that have just been started,
credentials, reachability. Left out: plain answers (test_patcher.py), random sequences
(test_patcher_model.py).
"""

import anyio
import pytest

from fleetpatch.engine.attempt import Deferred
from fleetpatch.engine.breaker import STARTUP_SECONDS
from fleetpatch.model.answer import Answer, NoAnswer, Silence
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Reason, Settlement
from tests.engine.scripted import (
    BUSY,
    CONFLICT,
    DONE,
    FORBIDDEN,
    MOVED,
    NOT_SERVED,
    PLANNED,
    POLICY,
    RESET,
    TARGET,
    TIMED_OUT,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNREACHABLE,
    ScriptedPatcher,
)
from tests.fakes import always, failure, in_turn, ok
from tests.values import replace

REFUSED_CONNECTION = Cause(
    CauseCode.UNREACHABLE, "the server cannot be reached: unreachable: connection refused"
)

# Doubt


@pytest.mark.parametrize(
    "doubt", [TIMED_OUT, RESET, NoAnswer(Silence.TIMEOUT), Answer(502), Answer(200), Answer(500)]
)
async def test_targets_that_may_have_been_patched_are_read_and_settled(
    doubt: Answer | NoAnswer,
) -> None:
    scripted = ScriptedPatcher().will(doubt, reads=(ok(DONE),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.SETTLED_BY_READING, 1, 1)
    assert ended.resource_version == "11"


STRAYS = [
    ok(replace(DONE, name="another")),
    ok(replace(DONE, namespace="team-b")),
    ok(replace(DONE, uid="uid-2")),
    ok(replace(DONE, kind="Pod", api_version="v1")),
    replace(failure(404, "NotFound"), about_name="another"),
    replace(failure(422, "Invalid", causes=("metadata.uid",)), about_name="another"),
]


@pytest.mark.parametrize("stray", STRAYS)
async def test_a_patch_answered_with_another_object_settles_nothing_by_itself(
    stray: Answer,
) -> None:
    applied = await ScriptedPatcher().will(stray, reads=(ok(DONE),)).settle()
    refused = await ScriptedPatcher().will(stray, ok(DONE), reads=(ok(PLANNED),)).settle()

    assert (applied.reason, applied.reads) == (Reason.SETTLED_BY_READING, 1)
    assert (refused.reason, refused.attempts) == (Reason.PATCHED, 2)


@pytest.mark.parametrize("stray", [stray for stray in STRAYS if stray.status != 422][:2])
async def test_a_read_answered_with_another_object_is_made_again(stray: Answer) -> None:
    ended = await ScriptedPatcher().will(RESET, reads=(stray, ok(DONE))).settle()

    assert (ended.reason, ended.reads) == (Reason.SETTLED_BY_READING, 2)


async def test_a_target_whose_answers_are_all_about_another_object_stays_in_doubt() -> None:
    scripted = ScriptedPatcher()
    scripted.cluster.patches = scripted.cluster.reads = always(ok(replace(DONE, name="another")))

    deferred = await scripted.defer()

    assert deferred.in_doubt
    assert "misdirected: the answer is about team-a/another" in str(deferred.cause)
    assert scripted.cluster.verbs.count("PATCH") <= POLICY.attempts


async def test_a_404_about_another_object_is_not_ours_being_gone() -> None:
    stray = replace(failure(404, "NotFound"), about_name="another")
    ended = await ScriptedPatcher().will(RESET, reads=(stray, ok(DONE))).settle()

    assert ended.reason is Reason.SETTLED_BY_READING


async def test_a_patch_that_was_not_applied_is_sent_again() -> None:
    scripted = ScriptedPatcher().will(TIMED_OUT, ok(DONE), reads=(ok(PLANNED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.PATCHED, 2, 1)


async def test_a_patch_that_arrives_after_it_was_looked_for_is_still_ours() -> None:
    scripted = ScriptedPatcher().will(TIMED_OUT, CONFLICT, reads=(ok(PLANNED), ok(DONE)))

    assert (await scripted.settle()).reason is Reason.SETTLED_BY_READING


async def test_a_patch_that_a_failing_server_applied_counts_as_ours() -> None:
    scripted = ScriptedPatcher().will(failure(500, "ServerTimeout"), CONFLICT, reads=(ok(DONE),))

    assert (await scripted.settle()).reason is Reason.SETTLED_BY_READING


@pytest.mark.parametrize("read", [ok(PLANNED), FORBIDDEN, NOT_SERVED])
async def test_a_refusal_after_an_error_is_final_unless_the_object_shows_our_change(
    read: Answer | NoAnswer,
) -> None:
    done = ScriptedPatcher().will(UNAVAILABLE, FORBIDDEN, reads=(ok(DONE),))
    refused = ScriptedPatcher().will(UNAVAILABLE, FORBIDDEN, reads=(read,))

    assert (await done.settle()).reason is Reason.SETTLED_BY_READING
    assert (await refused.settle()).reason is Reason.FORBIDDEN


async def test_a_refusal_is_not_the_end_before_the_object_could_be_read() -> None:
    scripted = ScriptedPatcher().will(FORBIDDEN, reads=(RESET, UNAVAILABLE, ok(DONE)))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.SETTLED_BY_READING, 1, 3)


async def test_a_refused_target_that_cannot_be_read_stays_open() -> None:
    scripted = ScriptedPatcher().will(FORBIDDEN)
    scripted.cluster.reads = always(UNAVAILABLE)

    assert (await scripted.defer()).in_doubt


async def test_a_read_that_fails_is_made_again_and_nothing_is_sent_unread() -> None:
    scripted = ScriptedPatcher().will(RESET, ok(DONE), reads=(UNAVAILABLE, RESET, ok(PLANNED)))

    ended = await scripted.settle()

    assert scripted.cluster.verbs == ["PATCH", "GET", "GET", "GET", "PATCH"]
    assert ended.reason is Reason.PATCHED


async def test_the_pause_before_a_read_is_made_again_follows_the_read_s_own_retry_after() -> None:
    scripted = ScriptedPatcher().will(RESET, reads=(BUSY, ok(DONE)))

    await scripted.settle()

    assert [call.at for call in scripted.cluster.calls] == [0.0, 0.0, 2.0]


async def test_a_target_that_stays_in_doubt_stays_open() -> None:
    scripted = ScriptedPatcher().will(RESET)
    scripted.cluster.reads = always(failure(500, "InternalError", "boom"))

    deferred = await scripted.defer()

    cause = "could not be read after it may have been applied: 500 boom"
    assert deferred == Deferred(Cause(CauseCode.TARGETS_OPEN, cause), unanswered=True)
    assert len(scripted.cluster.patched) == 1


async def test_the_last_doubt_is_read_before_the_target_is_given_up() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=1)).will(RESET, reads=(ok(DONE),))

    assert (await scripted.settle()).reason is Reason.SETTLED_BY_READING


async def test_a_last_attempt_that_did_not_arrive_is_exhausted() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=1)).will(RESET, reads=(ok(PLANNED),))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.EXHAUSTED, 1, 1)


async def test_a_target_that_may_not_be_read_stays_in_doubt() -> None:
    deferred = (
        await ScriptedPatcher().will(TIMED_OUT, reads=(failure(403, "Forbidden", "no"),)).defer()
    )

    assert not deferred.stops_lane
    assert "may not be read" in str(deferred.cause)


@pytest.mark.parametrize("refusal", [FORBIDDEN, NOT_SERVED])
async def test_a_server_that_was_silent_a_moment_ago_may_refuse_what_it_does_not_know_yet(
    refusal: Answer,
) -> None:
    ended = await ScriptedPatcher().will(UNREACHABLE, refusal, ok(DONE)).settle()

    assert (ended.reason, ended.attempts) == (Reason.PATCHED, 3)


async def test_a_server_that_was_silent_a_moment_ago_may_refuse_a_read_too() -> None:
    scripted = ScriptedPatcher().will(RESET, reads=(UNREACHABLE, FORBIDDEN, ok(DONE)))

    assert (await scripted.settle()).reason is Reason.SETTLED_BY_READING


async def test_a_target_that_becomes_readable_at_the_last_attempt_is_patched() -> None:
    unread = (RESET,) * (POLICY.attempts - 1)
    scripted = ScriptedPatcher().will(RESET, ok(DONE), reads=(*unread, ok(PLANNED)))

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.PATCHED, 2)


async def test_a_server_that_refuses_to_the_last_attempt_means_it() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=3))
    scripted.will(UNREACHABLE, FORBIDDEN, FORBIDDEN, reads=(ok(PLANNED),))

    assert (await scripted.settle()).reason is Reason.FORBIDDEN


async def test_some_time_after_an_outage_a_refusal_is_final_again() -> None:
    scripted = ScriptedPatcher().will(UNREACHABLE, ok(DONE), FORBIDDEN, reads=(ok(PLANNED),))
    await scripted.settle()
    await scripted.clock.sleep(STARTUP_SECONDS)

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.FORBIDDEN, 1)


async def test_a_404_without_a_status_does_not_mean_that_an_object_in_doubt_is_gone() -> None:
    scripted = ScriptedPatcher().will(RESET)
    scripted.cluster.reads = always(Answer(404, message="404 page not found"))

    assert str((await scripted.defer()).cause).endswith("404 404 page not found")


async def test_a_target_left_in_doubt_by_an_earlier_process_is_read_first() -> None:
    scripted = ScriptedPatcher().will(reads=(ok(DONE),))

    ended = await scripted.settle(in_doubt=True)

    assert (ended.reason, ended.attempts, ended.reads) == (Reason.SETTLED_BY_READING, 0, 1)
    assert ended.http_status is None


async def test_a_target_in_doubt_that_was_not_applied_is_sent_under_its_version_of_now() -> None:
    scripted = ScriptedPatcher().will(ok(DONE), reads=(ok(MOVED),))

    ended = await scripted.settle(in_doubt=True)

    assert (ended.reason, ended.attempts) == (Reason.PATCHED, 1)
    assert scripted.cluster.patched[0].version == "15"


# Credentials and reachability


async def test_after_a_401_the_credentials_are_renewed_and_the_patch_is_sent_again() -> None:
    scripted = ScriptedPatcher().will(UNAUTHORIZED, ok(DONE))

    assert (await scripted.settle()).reason is Reason.PATCHED
    assert scripted.cluster.renewals == 1


async def test_a_second_401_stops_the_lane_and_fails_no_target() -> None:
    scripted = ScriptedPatcher().will(UNAUTHORIZED, UNAUTHORIZED)

    assert (await scripted.defer()).stops_lane
    assert scripted.cluster.renewals == 1


async def test_a_401_that_nothing_better_can_be_had_for_may_be_a_passing_fault() -> None:
    scripted = ScriptedPatcher().will(UNAUTHORIZED, ok(DONE))
    scripted.cluster.renews = False

    assert (await scripted.settle()).reason is Reason.PATCHED
    assert scripted.cluster.renewals == 1


async def test_a_second_401_stops_the_lane() -> None:
    scripted = ScriptedPatcher().will(UNAUTHORIZED, UNAUTHORIZED)
    scripted.cluster.renews = False

    deferred = await scripted.defer()

    assert (deferred.stops_lane, deferred.in_doubt) == (True, True)
    assert scripted.cluster.renewals == 1


async def test_a_401_to_a_read_renews_too_and_the_doubt_remains() -> None:
    scripted = ScriptedPatcher().will(RESET, reads=(UNAUTHORIZED, ok(DONE)))

    assert (await scripted.settle()).reason is Reason.SETTLED_BY_READING
    assert scripted.cluster.renewals == 1


async def test_a_401_to_the_last_attempt_fails_no_target_either() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=2))
    scripted.will(BUSY, UNAUTHORIZED, reads=(ok(PLANNED),))

    deferred = await scripted.defer()

    assert not deferred.stops_lane
    assert "credentials" in str(deferred.cause)


async def test_a_server_that_cannot_be_reached_stops_the_lane() -> None:
    scripted = ScriptedPatcher()
    scripted.cluster.patches = always(UNREACHABLE)

    assert await scripted.defer() == Deferred(
        REFUSED_CONNECTION,
        stops_lane=True,
        in_doubt=False,
    )


async def test_a_server_that_cannot_be_reached_for_reading_stops_the_lane_too() -> None:
    scripted = ScriptedPatcher().will(RESET)
    scripted.cluster.reads = always(UNREACHABLE)

    deferred = await scripted.defer()

    assert deferred.stops_lane
    assert deferred.cause == REFUSED_CONNECTION


async def test_after_a_read_that_succeeds_again_one_patch_follows_the_last_attempt() -> None:
    scripted = ScriptedPatcher(replace(POLICY, attempts=4))
    scripted.cluster.patches = always(TIMED_OUT)
    scripted.cluster.reads = in_turn(*[UNAVAILABLE] * 3, *[ok(PLANNED)] * 9)

    ended = await scripted.settle()

    assert (ended.reason, ended.attempts) == (Reason.EXHAUSTED, 2)


@pytest.mark.parametrize("comes_to_rest_after", [0.0, 5.0])
async def test_a_target_after_a_503_is_read_when_a_shutdown_ends_the_wait_for_the_pacer(
    comes_to_rest_after: float,
) -> None:
    scripted = ScriptedPatcher(pacer_rate=0.1)
    scripted.cluster.patches = always(UNAVAILABLE)
    scripted.cluster.reads = always(ok(DONE))

    async def rest() -> None:
        await scripted.clock.sleep(comes_to_rest_after)
        scripted.shutdown.request()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rest)
        ended = await scripted.patcher.patch(TARGET)

    assert isinstance(ended, Settlement)
    assert ended.reason is Reason.SETTLED_BY_READING
