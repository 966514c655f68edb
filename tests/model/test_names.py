"""Kubernetes' rules for names: what they accept and refuse, and the messages.

Left out: agreement with a real server (selectors/test_label_selector_on_server).
"""

import pytest

from fleetpatch.model.names import (
    MAX_ANNOTATIONS,
    problem_of_annotation_key,
    problem_of_annotations,
    problem_of_dns_label,
    problem_of_dns_subdomain,
    problem_of_label_key,
    problem_of_label_value,
)
from fleetpatch.model.protected import owner_of

GOOD_KEYS = ["a", "A_b.c-d", "x/y", "example.com/team", "9", "a" * 63, f"{'a.' * 126}a/b", "in"]
BAD_KEYS = [
    *("", "/", "a/", "/a", "a/b/c", "-a", "a-", "_a", "a b", " a", "a\n", "ü", "٣", "a\x00"),
    *("a" * 64, f"{'a.' * 127}/b", "Example.com/x", "a_b/c", "-a/b", "a..b/c"),
]
GOOD_VALUES = ["", "a", "4711", "A_b.c-d", "a" * 63]
BAD_VALUES = [" ", "a b", "-a", "a.", "a/b", "a" * 64, "a\n", "é", "٣"]


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_qualified_name_is_a_label_key(key: str) -> None:
    assert problem_of_label_key(key) is None
    assert problem_of_annotation_key(key) is None


@pytest.mark.parametrize("key", BAD_KEYS)
def test_anything_else_is_not_a_label_key(key: str) -> None:
    problem = problem_of_label_key(key)

    assert problem
    assert "is not a valid label key" in problem
    assert "\n" not in problem


def test_an_annotation_keys_prefix_may_be_in_upper_case() -> None:
    assert problem_of_annotation_key("Example.COM/x") is None
    assert problem_of_label_key("Example.COM/x")


@pytest.mark.parametrize("value", GOOD_VALUES)
def test_a_label_value_may_be_empty_or_a_name(value: str) -> None:
    assert problem_of_label_value(value) is None


@pytest.mark.parametrize("value", BAD_VALUES)
def test_anything_else_is_not_a_label_value(value: str) -> None:
    assert "is not a valid label value" in (problem_of_label_value(value) or "")


def test_an_invalid_value_comes_with_a_valid_suggestion_if_there_is_one() -> None:
    assert "'machine-learning' is valid" in (problem_of_label_value("machine learning") or "")
    assert "is valid" not in (problem_of_label_value("ü") or "")


def test_a_long_text_is_cut_in_messages() -> None:
    assert len(problem_of_label_value("a" * 100_000) or "") < 200


def test_all_annotations_together_have_a_limit_in_bytes() -> None:
    assert problem_of_annotations({"a": "x" * (MAX_ANNOTATIONS - 1)}) is None
    assert "262145 bytes" in (problem_of_annotations({"a": "x" * MAX_ANNOTATIONS}) or "")
    assert problem_of_annotations({"a": "ü" * (MAX_ANNOTATIONS // 2)})


@pytest.mark.parametrize(
    ("name", "is_label", "is_subdomain"),
    [
        ("a", True, True),
        ("a-1", True, True),
        ("a.b", False, True),
        ("a" * 63, True, True),
        ("a" * 64, False, True),
        ("a" * 253, False, True),
        ("a" * 254, False, False),
        ("", False, False),
        ("A", False, False),
        ("a-", False, False),
        ("a.", False, False),
        ("a\n", False, False),
    ],
)
def test_dns_names(name: str, is_label: bool, is_subdomain: bool) -> None:
    assert (problem_of_dns_label(name) is None) == is_label
    assert (problem_of_dns_subdomain(name) is None) == is_subdomain


@pytest.mark.parametrize(
    ("key", "protected"),
    [
        ("controller-uid", True),
        ("job-name", True),
        ("batch.kubernetes.io/job-name", True),
        ("training.kubeflow.org/replica-index", True),
        ("volcano.sh/queue-name", True),
        ("kueue.x-k8s.io/queue-name", True),
        ("kueue.x-k8s.io/priority-class", True),
        ("app.kubernetes.io/name", False),
        ("example.com/job-name", False),
        ("volcano.sh", False),
        ("my-volcano.sh/x", False),
        ("team", False),
    ],
)
def test_the_keys_that_controllers_own_are_protected(key: str, protected: bool) -> None:
    assert (owner_of(key) is not None) is protected
