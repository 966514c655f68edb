"""Text in a plan that kubectl or another reader of YAML reads differently from YAML 1.2.

Covered: words, numbers, times and dates without quotes in every kind of body, as values and as
keys; numbers of the plan's own sections; values that are missing where null would remove.
Left out: text that is not YAML, and what readers agree on but a plan does not accept
(test_plan_mistakes).
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.plan.yaml.scalars import ambiguity
from tests.model.plans import MINIMAL, problems_of, with_patch

WORDS = [
    *("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"),
    *("n", "N", "no", "No", "NO", "off", "Off", "OFF"),
]
NUMBERS = [
    *("0400", "00", "-0400", "+017", "08", "019", "007.5", "0_400", "01e3"),
    *("0o400", "0x1F", "0X1f", "-0x1F", "0b101", "0O17", "0x_1F"),
    *("1_000", "1_000.5", "-1_0", "1_", "1__0", "1_0e3", "._5"),
]
TIMES = ["1:30", "12:30:45", "-1:30", "190:20:30.15", "1_0:30"]
DATES = ["2026-01-01", "2026-1-1", "2026-01-01T00:00:00Z", "2001-12-14 21:59:43.10 -5"]
AGREED = [
    *("true", "False", "null", "~", "0", "-1", "12", "1.5", "-0.5", "0.10", "1e3", "1E-3", "+1"),
    *("yEs", "nO", "oN", "yes!", "text", "_1", "v1_0", "80:80", "1.2.3", "2026-01", "0x", "0b2"),
    *("1Gi", "500m", "08:00-17:00", "-x", "127.0.0.1", "a_b"),
]


@pytest.mark.parametrize("text", [*WORDS, *NUMBERS, *TIMES, *DATES])
def test_text_that_kubectl_reads_differently_is_refused_in_a_body(text: str) -> None:
    (problem,) = problems_of(with_patch(f"{{merge: {{spec: {{a: {text}}}}}}}"))

    assert problem.startswith(f"plan.yaml:8:27: patch.merge.spec.a: {text} is ")
    assert f'put it in quotes: "{text}"' in problem


@pytest.mark.parametrize("text", [*WORDS, *NUMBERS, *TIMES, *DATES])
def test_in_quotes_it_is_text(text: str) -> None:
    for quoted in (f'"{text}"', f"'{text}'", f"!!str {text}"):
        plan = parse_plan(with_patch(f"{{merge: {{spec: {{a: {quoted}}}}}}}"), "p").plan

        assert plan.patch.merge == {"spec": {"a": text}}


@pytest.mark.parametrize("text", AGREED)
def test_what_all_readers_agree_on_needs_no_quotes(text: str) -> None:
    parse_plan(with_patch(f"{{merge: {{spec: {{a: {text}}}}}}}"), "p")


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_advised_to_be_written_as_true_or_false(word: str) -> None:
    (problem,) = problems_of(with_patch(f"{{merge: {{spec: {{a: {word}}}}}}}"))

    value = "true" if word.lower() in {"y", "yes", "on"} else "false"
    assert f"{word} is {value} to kubectl and text in YAML 1.2; write true or false" in problem


def test_an_octal_mode_is_advised_to_be_written_as_the_decimal_number() -> None:
    (problem,) = problems_of(with_patch("{merge: {spec: {defaultMode: 0400}}}"))

    assert "0400 is octal to kubectl (256) and decimal in YAML 1.2; write the decimal" in problem


@pytest.mark.parametrize(
    ("patch", "place"),
    [
        ("{merge: {spec: {a: [{b: yes}]}}}", "8:32"),
        ("{strategic: {spec: {a: {b: 0400}}}}", "8:35"),
        ("{apply: {spec: {a: on}}}", "8:27"),
        ("{json: [{op: add, path: /spec/a, value: 1_000}]}", "8:48"),
        (
            "{json: [{op: test, path: /spec/a, value: {b: [no]}}, {op: remove, path: /spec/a}]}",
            "8:54",
        ),
        ("{merge: {metadata: {labels: {team: no}}}}", "8:43"),
        ("{apply: {metadata: {annotations: {when: 2026-01-01}}}}", "8:48"),
        ("{merge: {spec: {on: 1}}}", "8:24"),
        ("{merge: {spec: {a: [{y: 1}]}}}", "8:29"),
        ("{strategic: {spec: {1_0: a}}}", "8:28"),
    ],
)
def test_every_type_of_body_is_checked(patch: str, place: str) -> None:
    (problem,) = problems_of(with_patch(patch))

    assert problem.startswith(f"plan.yaml:{place}: ")
    assert "quotes" in problem


def test_all_of_them_are_reported_at_once() -> None:
    text = with_patch("{merge: {spec: {suspend: yes, paused: on, limit: 1_000, mode: 0400}}}")

    assert [problem.split(": ")[1].rpartition(".")[2] for problem in problems_of(text)] == [
        "suspend",
        "paused",
        "limit",
        "mode",
    ]


def test_a_word_is_text_where_only_text_is_allowed() -> None:
    text = with_patch("{labels: {on: no, day: 2026-01-01}, annotations: {count: 1_000, at: 1:30}}")

    patch = parse_plan(text, "p").plan.patch

    assert patch.labels == {"on": "no", "day": "2026-01-01"}
    assert patch.annotations == {"count": "1_000", "at": "1:30"}


@pytest.mark.parametrize(
    "section",
    [
        "guards: {maxTargets: 0400}",
        "retry: {attempts: 0x5}",
        "waves: {sizes: [1, 010]}",
        "pace: {concurrency: 0o10}",
        "metadata: {name: 0400}",
    ],
)
def test_a_number_with_a_leading_zero_is_refused_in_every_section(section: str) -> None:
    text = MINIMAL.replace("metadata:\n  name: relabel\n", "")
    text += section + "\n" + ("metadata: {name: x}\n" if "metadata" not in section else "")

    (problem,) = problems_of(text)

    assert "quotes" in problem or "write the decimal number" in problem


def test_a_number_in_place_of_a_secret_is_not_quoted() -> None:
    fleet = "fleet: [{name: a, provider: cci, server: https://x, auth: {token: 0400}}]\n"

    assert not any("0400" in problem for problem in problems_of(MINIMAL + fleet))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans() | st.none())
def test_values_as_json_writes_them_are_never_ambiguous(value: float | bool | None) -> None:
    assert ambiguity(json.dumps(value)) is None


@given(st.text(max_size=200))
def test_any_text_can_be_checked(text: str) -> None:
    what = ambiguity(text)

    assert what is None or ("quotes" in what and "\n" not in what)


@pytest.mark.parametrize(
    ("patch", "place"),
    [
        ("{labels: {owner: , team: a}}", "8:18"),
        ("{annotations: {owner: }}", "8:23"),
        ("{labels: {owner}}", "8:18"),
        ("{labels: {owner: &a }}", "8:18"),
        ("{merge: {spec: {suspend: }}}", "8:24"),
        ("{merge: {metadata: {labels: {owner: }}}}", "8:37"),
        ("{strategic: {spec: {a: [{b: }]}}}", "8:33"),
        ("{json: [{op: add, path: /spec/a, value: }]}", "8:41"),
        ("\n  labels:\n    owner:\n    team: a", "10:5"),
        ("\n  merge:\n    spec:", "10:5"),
    ],
)
def test_a_value_that_is_missing_does_not_remove_anything(patch: str, place: str) -> None:
    (problem,) = problems_of(with_patch(patch))

    assert problem.startswith(f"plan.yaml:{place}: ")
    assert "has no value; write null to remove it" in problem


@pytest.mark.parametrize("null", ["null", "~", "Null", "NULL"])
def test_a_null_that_is_written_out_removes(null: str) -> None:
    labels = parse_plan(with_patch(f"{{labels: {{owner: {null}}}}}"), "p").plan.patch.labels
    body = parse_plan(with_patch(f"{{merge: {{spec: {{a: {null}}}}}}}"), "p").plan.patch.merge

    assert labels == {"owner": None}
    assert body == {"spec": {"a": None}}


def test_an_empty_text_sets_an_empty_value() -> None:
    labels = parse_plan(with_patch('{labels: {owner: ""}}'), "p").plan.patch.labels

    assert labels == {"owner": ""}
