"""What an answer to a PATCH means.

Covered: the whole table (every status from 100 to 599), each rule that uses a field of an answer,
the statuses that a plan retries, owners of fields, and the reasons for no answer.
Left out: the text of an answer (test_server_errors), what is done after a verdict
(tests/engine/test_patcher.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.answer import Answer, NoAnswer, Silence
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.rules.answers.verdicts import TABLE, Ruling, Verdict, is_gone, is_owned_by, judge
from tests.fakes import failure, seen_job
from tests.rules.answers.judging import REJECTED, RETRIED, verdict


def test_every_status_has_a_ruling() -> None:
    assert list(TABLE) == list(range(100, 600))


# Written out a second time, so that a change of any row of the table fails here.
RULINGS = {
    **dict.fromkeys(range(100, 200), REJECTED),
    200: Ruling(Verdict.DONE),
    **dict.fromkeys(range(201, 300), Ruling(Verdict.IN_DOUBT)),
    **dict.fromkeys(range(300, 500), REJECTED),
    401: Ruling(Verdict.RENEW),
    403: Ruling(Verdict.STOP, Reason.FORBIDDEN),
    404: Ruling(Verdict.STOP, Reason.GONE),
    **dict.fromkeys([408, 425, 429, 503], Ruling(Verdict.RETRY)),
    409: Ruling(Verdict.CONFLICT, Reason.CONFLICT),
    **dict.fromkeys([460, 499], Ruling(Verdict.IN_DOUBT)),
    **dict.fromkeys({*range(500, 600)} - {503}, Ruling(Verdict.IN_DOUBT)),
    **dict.fromkeys([500, 501, 505, 507], REJECTED),
}


def test_each_row_applies_to_its_statuses_only() -> None:
    assert dict(TABLE) == RULINGS


def test_only_200_is_done() -> None:
    assert [status for status, ruling in TABLE.items() if ruling.verdict is Verdict.DONE] == [200]


def test_a_final_ruling_ends_a_target_as_skipped_or_failed() -> None:
    stops = {ruling.reason for ruling in TABLE.values() if ruling.verdict is Verdict.STOP}

    assert {OUTCOME_OF[reason] for reason in stops} == {Outcome.SKIPPED, Outcome.FAILED}


def test_a_status_body_without_details_matters_for_404_and_500_alone() -> None:
    statuses = range(100, 600)

    differ = [
        one for one in statuses if judge(Answer(one), RETRIED) != judge(failure(one), RETRIED)
    ]

    assert differ == [404, 500]


@pytest.mark.parametrize("status", range(100, 600))
def test_only_the_plan_s_statuses_are_retried_and_no_error_of_a_server_is_done(status: int) -> None:
    for answer in (Answer(status), failure(status)):
        ruling = judge(answer, RETRIED)
        if ruling.verdict is Verdict.RETRY:
            assert status in RETRIED
        if status >= 500:
            assert ruling.verdict is not Verdict.DONE


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (202, Ruling(Verdict.IN_DOUBT)),
        (301, REJECTED),
        (400, REJECTED),
        (401, Ruling(Verdict.RENEW)),
        (403, Ruling(Verdict.STOP, Reason.FORBIDDEN)),
        (404, Ruling(Verdict.STOP, Reason.GONE)),
        (409, Ruling(Verdict.CONFLICT, Reason.CONFLICT)),
        (408, Ruling(Verdict.RETRY)),
        (415, REJECTED),
        (418, REJECTED),
        (422, REJECTED),
        (425, Ruling(Verdict.RETRY)),
        (429, Ruling(Verdict.RETRY)),
        (206, Ruling(Verdict.IN_DOUBT)),
        (460, Ruling(Verdict.IN_DOUBT)),
        (499, Ruling(Verdict.IN_DOUBT)),
        (520, Ruling(Verdict.IN_DOUBT)),
        (524, Ruling(Verdict.IN_DOUBT)),
        (527, Ruling(Verdict.IN_DOUBT)),
        (500, REJECTED),
        (502, Ruling(Verdict.IN_DOUBT)),
        (503, Ruling(Verdict.RETRY)),
        (504, Ruling(Verdict.IN_DOUBT)),
        (599, Ruling(Verdict.IN_DOUBT)),
    ],
)
def test_answers_of_a_server_have_these_rulings(status: int, expected: Ruling) -> None:
    assert judge(failure(status), RETRIED) == expected


def test_a_200_with_the_object_is_done() -> None:
    assert verdict(Answer(200, seen_job())) is Verdict.DONE


def test_a_200_without_an_object_is_in_doubt() -> None:
    assert verdict(Answer(200)) is Verdict.IN_DOUBT


def test_a_404_without_a_status_is_about_a_path_and_not_about_the_object() -> None:
    assert judge(Answer(404, message="404 page not found"), RETRIED) == REJECTED
    assert judge(failure(404, "NotFound", about=""), RETRIED) == REJECTED
    assert judge(failure(404, "NotFound", about="jobs"), RETRIED).reason is Reason.GONE


def test_a_404_about_an_object_means_gone_and_no_other_answer_does() -> None:
    assert is_gone(failure(404, "NotFound", about="jobs"))
    assert not is_gone(failure(404, "NotFound", about=""))
    assert not is_gone(Answer(404, about="jobs"))
    assert not is_gone(failure(410))


def test_a_413_is_retried_only_with_a_retry_after() -> None:
    assert verdict(failure(413, retry_after="3")) is Verdict.RETRY
    assert judge(failure(413), RETRIED) == REJECTED


def test_a_422_about_the_uid_means_that_the_object_was_recreated() -> None:
    replaced = failure(422, "Invalid", causes=("metadata.uid", "spec.selector"))

    assert judge(replaced, RETRIED) == Ruling(Verdict.STOP, Reason.REPLACED)
    assert judge(failure(422, causes=("metadata.labels",)), RETRIED) == REJECTED


def test_without_a_connection_nothing_was_delivered() -> None:
    assert judge(NoAnswer(Silence.UNREACHABLE), RETRIED).verdict is Verdict.RETRY


@pytest.mark.parametrize("silence", [Silence.TIMEOUT, Silence.RESET])
def test_silence_after_the_connection_was_made_is_in_doubt(silence: Silence) -> None:
    assert judge(NoAnswer(silence), RETRIED).verdict is Verdict.IN_DOUBT


def test_a_status_that_the_plan_does_not_retry_is_final() -> None:
    assert judge(failure(503), {429}) == REJECTED
    assert judge(failure(429), set()) == REJECTED


def test_an_answer_in_doubt_is_read_whatever_the_plan_retries() -> None:
    assert judge(failure(504), set()).verdict is Verdict.IN_DOUBT


def test_a_status_that_the_plan_adds_is_retried() -> None:
    assert judge(failure(408), {408}).verdict is Verdict.RETRY
    assert judge(failure(403), {403}) == Ruling(Verdict.RETRY, Reason.EXHAUSTED)
    assert judge(failure(404), {404}).verdict is Verdict.RETRY
    assert judge(Answer(404), {404}).verdict is Verdict.RETRY


def test_a_5xx_that_the_plan_adds_is_read_first() -> None:
    assert judge(failure(500), {500}).verdict is Verdict.IN_DOUBT
    assert judge(failure(507), {507}).verdict is Verdict.IN_DOUBT


def test_the_plan_cannot_make_a_recreated_object_be_retried() -> None:
    assert judge(failure(422, causes=("metadata.uid",)), {422}).reason is Reason.REPLACED


@given(
    st.builds(
        Answer,
        st.integers(100, 999),
        reason=st.sampled_from(["", "Conflict", "ServerTimeout"]),
        message=st.text(max_size=20),
        causes=st.sampled_from([(), ("metadata.uid",)]),
        about=st.sampled_from(["", "jobs"]),
        is_status=st.booleans(),
        retry_after=st.none() | st.text(max_size=5),
        retry_after_seconds=st.none() | st.integers(),
    ),
    st.frozensets(st.integers(100, 599)),
)
def test_an_answer_without_an_object_is_never_success(
    answer: Answer, retried: frozenset[int]
) -> None:
    assert judge(answer, retried).verdict is not Verdict.DONE


def test_a_conflict_with_another_manager_is_final() -> None:
    owners = ('conflict with "kubectl" using v1: .metadata.labels.app',)

    ruling = judge(Answer(409, reason="Conflict", owners=owners, is_status=True), {429})

    assert ruling == Ruling(Verdict.STOP, Reason.OWNED)


def test_conflicts_with_our_own_manager_are_recognized() -> None:
    ours = 'conflict with "fleetpatch" using batch/v1: .metadata.labels.a'
    theirs = 'conflict with "kubectl" using batch/v1: .metadata.labels.b'

    assert is_owned_by(Answer(409, owners=(ours,)), "fleetpatch")
    assert not is_owned_by(Answer(409, owners=(ours, theirs)), "fleetpatch")
    assert not is_owned_by(Answer(409), "fleetpatch")
    assert not is_owned_by(NoAnswer(Silence.RESET), "fleetpatch")
