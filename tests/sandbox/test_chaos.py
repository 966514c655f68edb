"""Fault injection: the decisions, their effects over a real socket, and the profiles in files.

Covers every action, the seed, rules for single names, and mistakes in files. Left out: how
fleetpatch reacts to the faults (tests/engine, tests/e2e).
"""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.errors import UsageError
from fleetpatch.sandbox.chaos.profiles import (
    PROFILES,
    Action,
    Body,
    Chaos,
    ChaosRule,
    Decision,
    Latency,
    Method,
    When,
    load_chaos,
)
from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.objects import MERGE, create, metadata, relabel
from tests.sandbox.serving import SandboxThread

SOON = Latency(0.01)


@contextmanager
def sandbox_with(*rules: ChaosRule) -> Iterator[SandboxThread]:
    with SandboxThread(SandboxOptions(jobs=0, chaos=Chaos(rules=rules))) as running:
        yield running


@given(seed=st.integers(), number=st.integers(1, 10), name=st.text(max_size=5))
def test_a_decision_depends_only_on_its_request(seed: int, number: int, name: str) -> None:
    chaos = PROFILES["rough"]

    first = chaos.decide(seed, Method.PATCH, f"/jobs/{name}", name, number)

    assert chaos.decide(seed, Method.PATCH, f"/jobs/{name}", name, number) == first


def test_another_seed_is_another_run() -> None:
    def run(seed: int) -> list[Decision]:
        chaos = PROFILES["rough"]
        paths = [f"/jobs/{number}" for number in range(300)]
        return [chaos.decide(seed, Method.PATCH, path, "x", 1) for path in paths]

    assert run(1) == run(1) != run(2)


def test_a_rate_is_kept() -> None:
    chaos = Chaos(rules=(ChaosRule(rate=0.1),))
    decisions = [chaos.decide(1, Method.PATCH, f"/{at}", "x", 1) for at in range(5000)]

    hit = sum(decision.fault is not None for decision in decisions)

    # Expected are 500 of 5000; 100 are almost five standard deviations.
    assert 400 < hit < 600


def test_a_rule_applies_to_its_names_methods_and_times() -> None:
    rule = ChaosRule(names=("etl-*",), methods=(Method.PATCH,), times=2)

    assert rule.concerns(Method.PATCH, "etl-1", 2)
    assert not rule.concerns(Method.PATCH, "etl-1", 3)
    assert not rule.concerns(Method.PATCH, "train-1", 1)
    assert not rule.concerns(Method.GET, "etl-1", 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 415, 422, 429, 500, 503, 504])
def test_a_status_is_answered_once_and_the_object_stays(status: int) -> None:
    with sandbox_with(ChaosRule(status=status, times=1)) as running:
        path = create(running, "one")

        refused = running.client.request("PATCH", path, relabel(q="5"), MERGE)

        assert (refused.status, refused.body["code"]) == (status, status)
        assert refused.body["reason"]
        assert metadata(running, path)["labels"] == {"app": "etl"}
        assert running.client.request("PATCH", path, relabel(q="5"), MERGE).status == 200


@pytest.mark.parametrize(("when", "applied"), [(When.BEFORE, False), (When.AFTER, True)])
def test_a_timeout_occurs_before_or_after_the_request_is_carried_out(
    when: When, applied: bool
) -> None:
    with sandbox_with(ChaosRule(status=504, when=when)) as running:
        path = create(running, "one")

        assert running.client.request("PATCH", path, relabel(q="5"), MERGE).status == 504
        assert ("q" in metadata(running, path)["labels"]) is applied


def test_a_refusal_has_a_retry_after() -> None:
    rule = ChaosRule(status=429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", retry_after_seconds=3)
    with sandbox_with(rule) as running:
        path = create(running, "one")

        refused = running.client.request("PATCH", path, {}, MERGE)

    assert refused.headers["Retry-After"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    assert refused.body["details"]["retryAfterSeconds"] == 3


@pytest.mark.parametrize(("body", "start"), [(Body.HTML, "<html>"), (Body.TEXT, "502 Bad Gateway")])
def test_a_proxy_answers_with_its_own_page(body: Body, start: str) -> None:
    with sandbox_with(ChaosRule(status=502, body=body)) as running:
        path = create(running, "one")

        assert running.client.request("PATCH", path, {}, MERGE).body.startswith(start)


@pytest.mark.parametrize(
    "rule",
    [
        ChaosRule(action=Action.RESET, times=1),
        ChaosRule(action=Action.RESET, times=1, when=When.AFTER),
        ChaosRule(action=Action.HANG, times=1, latency=SOON),
    ],
)
def test_a_connection_is_reset(rule: ChaosRule) -> None:
    with sandbox_with(rule) as running:
        path = create(running, "one")

        with pytest.raises(ConnectionResetError):
            running.client.request("PATCH", path, relabel(q="5"), MERGE)

        assert ("q" in metadata(running, path)["labels"]) is (rule.when is When.AFTER)


def test_a_body_is_cut() -> None:
    with sandbox_with(ChaosRule(action=Action.CUT, times=1)) as running:
        path = create(running, "one")

        with pytest.raises(http.client.IncompleteRead):
            running.client.request("PATCH", path, relabel(q="5"), MERGE)

        assert metadata(running, path)["labels"]["q"] == "5"


def test_an_answer_is_slow() -> None:
    with sandbox_with(ChaosRule(action=Action.SLOW, latency=SOON)) as running:
        path = create(running, "one")

        assert running.client.request("PATCH", path, relabel(q="5"), MERGE).status == 200


def test_an_object_is_deleted_before_the_request() -> None:
    with sandbox_with(ChaosRule(action=Action.GONE)) as running:
        path = create(running, "one")

        assert running.client.request("PATCH", path, {}, MERGE).status == 404


@pytest.mark.parametrize("kind", ["jobs.batch", "tfjobs.kubeflow.org"])
def test_an_object_is_recreated_with_the_same_name(kind: str) -> None:
    with sandbox_with(ChaosRule(action=Action.RECREATE, times=1)) as running:
        path = create(running, "one", kind=kind)
        old = metadata(running, path)
        body = {"metadata": {"uid": old["uid"], "labels": {"q": "5"}}}

        refused = running.client.request("PATCH", path, body, MERGE)

        assert refused.status == 422
        assert metadata(running, path)["uid"] != old["uid"]
        assert running.client.request("PATCH", path, relabel(q="5"), MERGE).status == 200


def test_another_writer_changes_the_object_first() -> None:
    with sandbox_with(ChaosRule(action=Action.DRIFT, times=1, label="team=theirs")) as running:
        path = create(running, "one")
        version = metadata(running, path)["resourceVersion"]
        body = {"metadata": {"resourceVersion": version, "labels": {"q": "5"}}}

        assert running.client.request("PATCH", path, body, MERGE).status == 409
        assert metadata(running, path)["labels"] == {"app": "etl", "team": "theirs"}


def test_tokens_expire() -> None:
    rule = ChaosRule(action=Action.EXPIRE, methods=(Method.LIST,))
    with sandbox_with(rule) as running:
        create(running, "one")
        create(running, "two")
        token = running.client.request("GET", "/apis/batch/v1/jobs?limit=1").body["metadata"][
            "continue"
        ]

        assert running.client.request("GET", f"/apis/batch/v1/jobs?continue={token}").status == 410


# The objects of a test get different faults by their names.
def test_one_run_is_scripted_by_names() -> None:
    rules = [ChaosRule(status=status, names=(f"fails-{status}",)) for status in (403, 409, 503)]
    with sandbox_with(*rules) as running:
        paths = [create(running, f"fails-{status}") for status in (403, 409, 503, 200)]

        answers = [running.client.request("PATCH", path, {}, MERGE).status for path in paths]

    assert answers == [403, 409, 503, 200]


def test_requests_and_answers_are_counted() -> None:
    with sandbox_with(ChaosRule(status=503, times=1)) as running:
        path = create(running, "one")
        for _ in range(2):
            running.client.request("PATCH", path, relabel(q="5"), MERGE)

        counters = running.client.request("GET", "/_sandbox/counters").body
        patches = running.client.request("GET", "/_sandbox/patches").body

    assert counters["requests"] == {"create": 1, "patch": 2}
    assert counters["statuses"] == {"200": 1, "201": 1, "503": 1}
    assert (counters["inFlight"], counters["maxInFlight"]) == (0, 1)
    assert patches == {path: 2}


def test_a_file_describes_chaos(tmp_path: Path) -> None:
    path = tmp_path / "chaos.yaml"
    path.write_text(
        """
        latency: {mean: 0.01, jitter: 0.005}
        rules:
        - {status: 429, retryAfter: 1, rate: 0.1}
        - {action: reset, names: ["etl-*"], times: 2, when: after, methods: [PATCH, GET]}
        - {action: revoke, methods: [LIST]}
        - {status: 401, body: gateway}
        """,
        encoding="utf-8",
    )

    chaos = load_chaos(str(path))

    assert chaos.latency == Latency(0.01, 0.005)
    assert chaos.rules == (
        ChaosRule(status=429, retry_after=1, rate=0.1),
        ChaosRule(
            action=Action.RESET,
            names=("etl-*",),
            times=2,
            when=When.AFTER,
            methods=(Method.PATCH, Method.GET),
        ),
        ChaosRule(action=Action.REVOKE, methods=(Method.LIST,)),
        ChaosRule(status=401, body=Body.GATEWAY),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: [{status: 200}]", "Expected `int` >= 400 - at `$.rules[0].status`"),
        ("rules: [{rate: 2}]", "`$.rules[0].rate`"),
        ("rules: [{verb: PATCH}]", "unknown field `verb`"),
        ("rules: [{action: explode}]", "Invalid enum value 'explode'"),
        ("rules: [{label: text}]", "`$.rules[0].label`"),
        ("rules: {", "not valid YAML; correct the file"),
        ("[1, 2]", "Expected `object`"),
    ],
)
def test_mistakes_in_a_file_are_placed(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "chaos.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError) as raised:
        load_chaos(str(path))

    assert words in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_name_that_is_neither_profile_nor_file_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"'nowhere' is not a profile, .*; use one of none, mild, rough"
    ):
        load_chaos("nowhere")


@pytest.mark.parametrize("name", list(PROFILES))
def test_profiles_have_names(name: str) -> None:
    profile: Any = load_chaos(name)

    assert profile is PROFILES[name]
