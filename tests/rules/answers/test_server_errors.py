"""What the text of an answer to a PATCH means.

Covered: a 500 of the store, of a proxy and of webhooks, every phrase, what is quoted and does not
count, denials with any status. Left out: statuses (test_verdicts).
"""

import pytest

from fleetpatch.model.answer import Answer
from fleetpatch.model.outcome import Reason
from fleetpatch.model.text import ELLIPSIS
from fleetpatch.rules.answers.server_errors import PHRASES, Meaning, Phrase
from fleetpatch.rules.answers.verdicts import WEBHOOK_PAUSE, Ruling, Verdict, judge, may_be_starting
from tests.fakes import failure
from tests.rules.answers.judging import REJECTED, RETRIED, verdict
from tests.values import replace


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
