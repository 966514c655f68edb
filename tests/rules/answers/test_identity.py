"""Which answers are about the requested object.

Covered: objects of another name, namespace, uid, kind or version of the kind, objects without a uid
or a resourceVersion; Status bodies about other objects, kinds and groups.
Left out: what the engine does after such an answer (tests/engine/test_patcher_in_doubt.py).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.identity import verified_reply
from tests.fakes import failure, ok, seen_job, target_of
from tests.values import replace

OURS = seen_job({"team": "blue"}, version="10")
TARGET = target_of(MetadataChange(labels={"team": "red"}), OURS)


def is_ours(reply: Reply, *, written: bool = True) -> bool:
    found = verified_reply(TARGET, reply, written=written)
    assert found is reply or isinstance(found, NoAnswer)
    return found is reply


OTHERS = [
    replace(OURS, name="etl-2"),
    replace(OURS, namespace="team-b"),
    replace(OURS, namespace=""),
    replace(OURS, uid=""),
    replace(OURS, resource_version=""),
    replace(OURS, kind="Pod", api_version="v1"),
    replace(OURS, kind="Job", api_version="batch.volcano.sh/v1alpha1"),
    replace(OURS, kind="Job", api_version="batch/v1beta1"),
    replace(OURS, kind="CronJob"),
]


@pytest.mark.parametrize("seen", OTHERS)
@pytest.mark.parametrize("written", [True, False])
def test_an_answer_about_another_object_counts_as_no_answer(seen: Seen, written: bool) -> None:
    found = verified_reply(TARGET, ok(seen), written=written)

    assert isinstance(found, NoAnswer)
    assert found.silence is Silence.MISDIRECTED
    assert "\n" not in found.detail


@pytest.mark.parametrize(
    "seen",
    [
        OURS,
        replace(OURS, resource_version="11", labels={}),
        replace(OURS, kind="Job", api_version="batch/v1"),
        replace(OURS, kind="PartialObjectMetadata", api_version="meta.k8s.io/v1"),
        replace(OURS, kind="PartialObjectMetadata"),
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_an_answer_about_our_object_is_accepted_with_any_content(seen: Seen, written: bool) -> None:
    assert is_ours(ok(seen), written=written)


def test_a_read_may_show_a_recreated_object_but_a_patch_may_not() -> None:
    replaced = ok(replace(OURS, uid="uid-2"))

    assert is_ours(replaced, written=False)
    assert not is_ours(replaced, written=True)


@pytest.mark.parametrize(
    ("kind", "group", "name"),
    [
        ("jobs", "batch", "etl-1"),
        ("jobs", "", ""),
        ("Job", "batch", "etl-1"),
        ("namespaces", "", "team-a"),
        ("", "", ""),
    ],
)
def test_a_404_about_our_object_or_its_namespace_is_an_answer(
    kind: str, group: str, name: str
) -> None:
    assert is_ours(replace(failure(404, about=kind), about_group=group, about_name=name))


@pytest.mark.parametrize(
    ("kind", "group", "name"),
    [
        ("jobs", "batch", "etl-2"),
        ("jobs", "batch.volcano.sh", "etl-1"),
        ("pods", "", "etl-1"),
        ("namespaces", "", "team-b"),
    ],
)
def test_a_404_about_another_object_counts_as_no_answer(kind: str, group: str, name: str) -> None:
    assert not is_ours(replace(failure(404, about=kind), about_group=group, about_name=name))


@pytest.mark.parametrize("status", [403, 409, 422])
def test_other_refusals_count_as_no_answer_if_they_name_another_job(status: int) -> None:
    assert not is_ours(replace(failure(status), about_group="batch", about_name="etl-2"))
    # An admission webhook may name what it likes.
    assert is_ours(replace(failure(status, about="policies"), about_name="no-red-jobs"))


@given(st.integers(100, 599), st.text(max_size=5))
def test_a_refusal_that_names_no_object_is_accepted(status: int, message: str) -> None:
    assert is_ours(Answer(status, message=message))
    assert is_ours(failure(status, message=message, about=""))


@given(st.text(), st.text(), st.text(), st.text(), st.text(), st.text())
def test_any_object_is_either_accepted_or_refused(
    namespace: str, name: str, uid: str, version: str, api_version: str, kind: str
) -> None:
    seen = Seen(namespace, name, uid, version, {}, {}, api_version=api_version, kind=kind)

    assert is_ours(ok(seen)) == is_ours(ok(seen), written=False) or uid != TARGET.uid


def test_an_answer_about_another_object_without_namespaces_names_it_without_a_slash() -> None:
    found = verified_reply(TARGET, ok(replace(OURS, namespace="", name="n2")), written=True)

    assert isinstance(found, NoAnswer)
    assert found.detail == "the answer is about n2"
