"""What an answer to a PATCH means.

Covered: the whole table (every status from 100 to 599), each rule that uses the content of an
answer, the statuses that a plan retries, and the reasons for no answer.
Left out: what is done after a verdict (tests/engine/test_patcher.py).
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.answer import Answer, NoAnswer, Silence
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.plan.retry import RETRIED as RETRIED_STATUSES
from fleetpatch.model.plan.retry import RetrySection
from fleetpatch.model.text import ELLIPSIS
from fleetpatch.rules.answers.server_errors import PHRASES, Meaning, Phrase
from fleetpatch.rules.answers.verdicts import (
    ROWS,
    TABLE,
    WEBHOOK_PAUSE,
    Ruling,
    Verdict,
    is_gone,
    is_owned_by,
    judge,
    may_be_starting,
)
from tests.fakes import failure, seen_job
from tests.values import replace

RETRIED = frozenset(RetrySection().statuses)
REJECTED = Ruling(Verdict.STOP, Reason.REJECTED)


def verdict(answer: Answer) -> Verdict:
    return judge(answer, RETRIED).verdict


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


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_the_same_ruling_with_and_without_a_status_body(
    status: int,
) -> None:
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


@pytest.mark.parametrize(
    "message",
    [
        "etcdserver: request timed out",
        "rpc error: code = Unavailable desc = etcd leader changed",
        "rpc error: code = Unavailable desc = transport is closing",
        "Internal error occurred: context deadline exceeded",
    ],
)
def test_a_500_from_the_store_is_in_doubt(message: str) -> None:
    assert verdict(failure(500, "InternalError", message)) is Verdict.IN_DOUBT


def test_a_500_without_a_status_is_from_a_proxy_and_in_doubt() -> None:
    page = Answer(500, message="<html>Internal Server Error</html>")

    assert verdict(page) is Verdict.IN_DOUBT
    # A proxy may have delivered the PATCH, whatever it says about the next one.
    assert verdict(replace(page, retry_after="3")) is Verdict.IN_DOUBT


def test_a_500_with_a_time_to_wait_is_retried() -> None:
    assert verdict(failure(500, "ServerTimeout")) is Verdict.RETRY
    assert verdict(replace(failure(500), retry_after_seconds=2)) is Verdict.RETRY
    assert verdict(replace(failure(500), retry_after="2")) is Verdict.RETRY


@pytest.mark.parametrize(
    "message",
    [
        'Internal error occurred: jobs.batch "etcd-backup" cannot be converted',
        'Job.batch "grpc-worker": strict decoding error: unknown field',
        "jobs.batch backup-etcd.example cannot be converted",
        'cannot convert annotation "note: connection refused \\"rpc error\\" at night"',
        "cannot convert value 'context deadline' of the object",
        'cannot convert "admission webhook denied the request"',
    ],
)
def test_a_phrase_in_the_name_or_a_quoted_value_of_an_object_does_not_count(message: str) -> None:
    assert judge(failure(500, "InternalError", message), RETRIED) == REJECTED


@pytest.mark.parametrize(
    "message",
    [
        'Post "https://etcd-0.etcd:2379": dial tcp: i/o timeout',
        "the object \"a\" can't be read: etcdserver: request timed out, isn't it",
        f'the value "a long one{ELLIPSIS} rpc error: code = Unavailable desc = "closing"',
    ],
)
def test_a_phrase_outside_of_quoted_text_counts(message: str) -> None:
    assert verdict(failure(500, "InternalError", message)) is Verdict.IN_DOUBT


def test_quoted_text_is_not_a_denial_by_a_webhook() -> None:
    quoting = failure(503, message='cannot convert "the webhook denied the request"')

    assert verdict(quoting) is Verdict.RETRY


def test_any_other_500_is_final() -> None:
    invalid = failure(500, message="Invalid JSON Patch")

    assert judge(invalid, RETRIED) == REJECTED


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


# The meaning of the text of an answer

WEBHOOK = Ruling(Verdict.RETRY, Reason.WEBHOOK_UNREACHABLE, WEBHOOK_PAUSE)
CALL = 'Internal error occurred: failed calling webhook "v.example.com": '


@pytest.mark.parametrize(
    "why",
    [
        'Post "https://127.0.0.1:1/validate": dial tcp 127.0.0.1:1: connect: connection refused',
        'failed to call webhook: Post "https://v.svc:443/": dial tcp: lookup v.svc: no such host',
        'Post "https://v.svc:443/": x509: certificate signed by unknown authority',
        'Post "https://v.svc:443/": no endpoints available for service "v"',
        'Post "https://v.svc:443/": context deadline exceeded',
        'Post "https://v.svc:443/": net/http: TLS handshake timeout',
        'service "v" not found',
        "the server is currently unable to handle the request",
        "an error on the server has prevented the request from succeeding",
        "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=",
    ],
)
def test_if_a_webhook_cannot_be_reached_nothing_was_stored(why: str) -> None:
    assert judge(failure(500, "InternalError", CALL + why), RETRIED) == WEBHOOK


def test_older_servers_use_other_phrases_for_it() -> None:
    message = 'Internal error occurred: failed calling admission webhook "x": connection refused'

    assert judge(failure(500, "InternalError", message), RETRIED) == WEBHOOK


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.text)
def test_every_phrase_is_recognized_within_any_text(phrase: Phrase) -> None:
    verdicts = {
        Meaning.WEBHOOK_UNREACHABLE: Verdict.RETRY,
        Meaning.NOT_STORED: Verdict.RETRY,
        Meaning.MAY_BE_STORED: Verdict.IN_DOUBT,
    }
    # In capitals, because servers and proxies differ in case.
    answer = failure(500, "InternalError", f"Internal error occurred: {phrase.text.upper()} (7)")

    assert verdict(answer) is verdicts[phrase.meaning]


@pytest.mark.parametrize(
    "message",
    [
        "etcdserver: leader changed",
        "etcdserver: request timed out, possibly due to connection lost",
        "etcdserver: no leader",
        "rpc error: code = Unknown desc = OK: HTTP status code 200; transport",
        "error reading from server: EOF; grpc: the client connection is closing",
        "conversion webhook for stable.example.com/v1, Kind=CronTab failed: Post: EOF",
        'Internal error occurred: Post "https://10.0.0.7:443/v1": dial tcp: i/o timeout',
    ],
)
def test_a_change_that_may_have_been_stored_is_in_doubt(message: str) -> None:
    assert judge(failure(500, "InternalError", message), RETRIED) == Ruling(Verdict.IN_DOUBT)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_if_the_store_is_not_ready_nothing_was_stored(status: int) -> None:
    assert verdict(failure(status, message="storage is (re)initializing")) is Verdict.RETRY


DENIALS = [
    # The controllers of the kinds, in the shape of their own messages.
    'admission webhook "validatejob.volcano.sh" denied the request: job minAvailable must be >= 0',
    'admission webhook "validator.tfjob.training-operator.kubeflow.org" denied the request: spec',
    'admission webhook "vjob.kb.io" denied the request: spec.queueName: field is immutable',
    "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: replicas must be below 5",
    # These also contain phrases of other meanings; the denial decides.
    'admission webhook "x" denied the request: cannot ask 10.0.0.1: connection refused',
    'admission webhook "x" denied the request: failed calling webhook "y"',
]


@pytest.mark.parametrize("message", DENIALS)
@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500, 503])
def test_a_denial_by_a_webhook_is_final_with_any_status(status: int, message: str) -> None:
    assert judge(failure(status, "X", message), RETRIED) == REJECTED


def test_a_denial_with_403_is_forbidden_even_if_the_server_has_just_started() -> None:
    denied = failure(403, "Forbidden", DENIALS[0])

    assert judge(denied, RETRIED) == Ruling(Verdict.STOP, Reason.FORBIDDEN)
    assert not may_be_starting(denied)
    assert may_be_starting(failure(403, "Forbidden", "alice cannot patch jobs"))


def test_a_denial_outside_of_a_status_is_not_a_denial() -> None:
    page = Answer(502, message="<html>the firewall denied the request</html>")

    assert verdict(page) is Verdict.IN_DOUBT


def test_a_final_500_has_none_of_these_meanings() -> None:
    assert judge(failure(500, "", "Invalid JSON Patch"), RETRIED) == REJECTED


# The reference

README = Path(__file__).parents[3] / "README.md"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"


def test_the_reference_shows_the_ruling_of_each_status() -> None:
    rows = [f"| {row.shown} | {row.meaning} |" for row in ROWS]

    assert "\n".join(rows) in REFERENCE.read_text()


def test_the_readme_and_the_reference_show_what_is_retried() -> None:
    assert f"| {', '.join(map(str, RETRIED_STATUSES))} | sent again" in README.read_text()
    assert f"  statuses: {list(RetrySection().statuses)} " in REFERENCE.read_text()


def test_the_reference_shows_the_phrases_of_a_500() -> None:
    rows = [f"| `{one.text}` | {one.meaning.value} | {one.source} |" for one in PHRASES]

    assert "\n".join(rows) in REFERENCE.read_text()


def test_the_reference_shows_every_reason_with_its_outcome() -> None:
    text = REFERENCE.read_text()

    assert [one for one in Reason if f"| {OUTCOME_OF[one]} | `{one}` |" not in text] == []
