"""Bodies that are nested deeper than JSON may be here.

Covered: one such object, alone and within a page, the same limit for both, which objects are
searched for depth, and depth where nothing is read: a Status, discovery, strings, bodies of no
type. Left out: how a target ends whose object is too deep (tests/rules/planning/test_unreadable.py,
tests/e2e/test_odd_objects.py).
"""

import json
import math
from typing import Any

import pytest

from fleetpatch.kube.cci.iam import lifetime
from fleetpatch.kube.discovery import documents
from fleetpatch.kube.http import decoding
from fleetpatch.kube.http.decoding import decode_answer, decode_page
from fleetpatch.kube.http.lenient_json import repair
from fleetpatch.model.fields import MAX_DEPTH, TOO_DEEP, is_deeper
from fleetpatch.rules.answers.verdicts import is_gone
from tests.kube.http.bodies import DEEP, METADATA, deep, raw


@pytest.mark.parametrize("whole", [False, True])
def test_an_object_that_is_too_deep_keeps_its_metadata(*, whole: bool) -> None:
    body = deep({"metadata": METADATA | {"labels": {"a": "b"}}, "spec": {"marks": "@", "n": 1}})

    seen = decode_answer(raw(body), whole=whole).seen

    assert seen is not None
    assert (seen.uid, seen.labels) == ("u", {"a": "b"})
    assert seen.unreadable == (TOO_DEEP if whole else "")


@pytest.mark.parametrize(("levels", "reason"), [(MAX_DEPTH - 2, ""), (MAX_DEPTH - 1, TOO_DEEP)])
def test_the_limit_is_the_same_for_an_answer_and_for_a_list(levels: int, reason: str) -> None:
    item = {"metadata": METADATA, "spec": {"marks": json.loads("[" * levels + "]" * levels)}}

    seen = decode_answer(raw(item), whole=True).seen
    page = decode_page(raw({"items": [item]}), whole=True)

    assert seen is not None
    assert page is not None
    assert seen.unreadable == page.items[0].unreadable == reason


@pytest.mark.parametrize("whole", [False, True])
def test_one_object_that_is_too_deep_does_not_affect_the_page(*, whole: bool) -> None:
    items = [
        {"metadata": METADATA | {"name": name}, "spec": {"marks": marks}}
        for name, marks in (("a", []), ("b", "@"), ("c", []))
    ]

    page = decode_page(raw(deep({"metadata": {"continue": "t"}, "items": items})), whole=whole)

    assert page is not None
    assert page.token == "t"
    assert [seen.name for seen in page.items] == ["a", "b", "c"]
    assert [bool(seen.unreadable) for seen in page.items] == [False, whole, False]


@pytest.mark.parametrize(
    ("value", "walks"),
    [([1], 0), ("[{" * 90, 0), ([[]] * 190, 0), ([[]] * 300, 1), ("[{" * 300, 1)],
    ids=["small", "brackets in a string", "many lists", "too many lists", "a long string"],
)
def test_only_an_object_with_many_brackets_is_searched_for_depth(
    value: Any, walks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[Any] = []

    def search(document: Any, levels: int) -> bool:
        walked.append(document)
        return is_deeper(document, levels)

    monkeypatch.setattr(decoding, "is_deeper", search)
    small, other = {"metadata": METADATA}, {"metadata": METADATA, "spec": value}
    page = decode_page(raw({"items": [small] * 300 + [other]}), whole=True)

    assert page
    assert len(walked) == walks
    assert page.items[-1].whole == other
    assert not any(item.unreadable for item in page.items)


def test_one_object_with_a_number_beyond_float_does_not_affect_the_page() -> None:
    odd = b'{"metadata": {"name":"b","uid":"u","resourceVersion":"1"}, "spec": {"n": 1e999}}'
    body = b'{"items": [%s, %s]}' % (json.dumps({"metadata": METADATA}).encode(), odd)

    page = decode_page(raw(body), whole=True)

    assert page is not None
    assert [bool(seen.unreadable) for seen in page.items] == [False, True]
    assert not page.items[1].is_readable_at([("spec", "n")])


def test_deep_fields_of_a_status_do_not_affect_it() -> None:
    body = deep({"kind": "Status", "message": "gone", "details": {"kind": "jobs", "extra": "@"}})

    assert is_gone(decode_answer(raw(body, 404)))


def test_discovery_accepts_deep_documents() -> None:
    groups = deep({"groups": [{"name": "batch", "versions": [{"version": "v1", "x": "@"}]}]})
    resources = deep(
        {"resources": [{"name": "jobs", "kind": "Job", "verbs": ["list", "patch"], "x": "@"}]}
    )

    [version] = documents.group_versions(groups) or []
    [job] = documents.resources(resources, version) or []

    assert job.plural == "jobs"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, DEEP, b'"' + b"[" * 9000])
def test_a_deep_body_of_no_type_is_an_answer_without_an_object(body: bytes) -> None:
    for whole in (False, True):
        assert decode_answer(raw(body), whole=whole).seen is None
        assert decode_page(raw(body), whole=whole) is None
    assert not decode_answer(raw(body, 404)).is_status
    assert documents.group_versions(body) is None
    assert lifetime(raw(body), now=0.0) == math.inf


def test_brackets_within_strings_do_not_count_as_depth() -> None:
    body = json.dumps({"a": '[{"\\' * 2000, "b": [1]}).encode()

    assert repair(body) == body
