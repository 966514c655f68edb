"""Which listed objects belong to the requested list.

Covered: kinds of lists and items, namespaces, label and field selectors, objects without identity.
Left out: how a list ends (tests/kube/test_lists.py), what a selector matches (tests/model).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.providers.kinds import TF_JOB
from fleetpatch.model.resource import Resource
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.scope import Scope
from tests.fakes import JOBS, seen_job
from tests.values import replace

SEEN = seen_job({"app": "etl"})
NODES = Resource("", "v1", "nodes", "Node", "node", (), namespaced=False)


def problem(
    seen: Seen,
    namespace: str | None = None,
    selector: str = "",
    fields: str = "",
    resource: Resource = JOBS,
) -> str:
    return Scope.of(resource, namespace, selector, fields).problem_of([seen])


@pytest.mark.parametrize(
    ("namespace", "selector", "fields"),
    [
        (None, "", ""),
        ("team-a", "app=etl", "metadata.name=etl-1"),
        (None, "app in (etl,train),!tier", "metadata.namespace==team-a"),
        (None, "app!=train", "metadata.name!=etl-2,status.successful=0"),
    ],
)
def test_an_object_in_the_scope_is_accepted(
    namespace: str | None, selector: str, fields: str
) -> None:
    assert problem(SEEN, namespace, selector, fields) == ""


@pytest.mark.parametrize(
    ("seen", "namespace", "selector", "fields", "problem_text"),
    [
        (SEEN, "team-b", "", "", "only namespace team-b was requested"),
        (SEEN, None, "app=train", "", "its labels do not match the selector app=train"),
        (SEEN, None, "!app", "", "its labels do not match"),
        (seen_job(), None, "app", "", "its labels do not match"),
        (SEEN, None, "", "metadata.name=etl-2", "the field selector metadata.name=etl-2"),
        (SEEN, None, "", "metadata.name!=etl-1", "the field selector metadata.name!=etl-1"),
        (SEEN, None, "", "metadata.namespace=team-b", "metadata.namespace=team-b"),
        (replace(SEEN, namespace=""), None, "", "", "it has no namespace"),
        (replace(SEEN, uid=""), None, "", "", "it has no uid"),
        (replace(SEEN, resource_version=""), None, "", "", "it has no resourceVersion"),
        (replace(SEEN, kind="Pod"), None, "", "", "it is Pod, not batch/v1 Job"),
    ],
)
def test_an_object_outside_of_the_scope_is_named_with_the_reason(
    seen: Seen, namespace: str | None, selector: str, fields: str, problem_text: str
) -> None:
    found = problem(seen, namespace, selector, fields)

    assert found.startswith("the list contains ")
    assert "etl-1" in found
    assert problem_text in found


def test_the_first_object_outside_of_the_scope_is_named() -> None:
    scope = Scope.of(JOBS, None, "app=etl", "")
    items = [SEEN, replace(SEEN, name="second", labels={}), replace(SEEN, name="third", labels={})]

    assert "team-a/second" in scope.problem_of(items)


def test_objects_of_a_cluster_scoped_kind_have_no_namespace() -> None:
    node = replace(SEEN, namespace="")

    assert problem(node, resource=NODES) == ""
    assert "its kind is cluster-scoped" in problem(SEEN, resource=NODES)


@pytest.mark.parametrize(
    ("resource", "api_version", "kind", "belongs"),
    [
        (JOBS, "batch/v1", "JobList", True),
        (JOBS, "", "", True),
        (JOBS, "v1", "List", True),
        (JOBS, "meta.k8s.io/v1", "PartialObjectMetadataList", True),
        (JOBS, "v1", "PodList", False),
        (JOBS, "batch.volcano.sh/v1alpha1", "JobList", False),
        (TF_JOB, "kubeflow.org/v1", "TFJobList", True),
        (TF_JOB, "kubeflow.org/v1", "AllTheTFJobs", True),
        (TF_JOB, "meta.k8s.io/v1", "PartialObjectMetadataList", True),
        (TF_JOB, "", "", True),
        (TF_JOB, "batch/v1", "JobList", False),
    ],
)
def test_an_empty_list_of_another_kind_is_detected(
    resource: Resource, api_version: str, kind: str, belongs: bool
) -> None:
    found = Scope.of(resource, None, "", "").problem_of_list(api_version, kind)

    assert (found == "") is belongs


@given(
    st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"])),
    st.sampled_from(["app=a", "app!=a", "app", "!app", "app in (a,b),tier=b", "tier notin (a)"]),
)
def test_an_object_is_in_the_scope_exactly_if_the_selector_matches(
    labels: dict[str, str], selector: str
) -> None:
    found = problem(replace(SEEN, labels=labels), selector=selector)

    assert (found == "") is Selector.parse(selector).matches(labels)


WHOLE = replace(
    SEEN,
    whole={"spec": {"paused": False, "size": 3}, "status": {"phase": "Running", "at": 1.5}},
)


@pytest.mark.parametrize(
    ("fields", "belongs"),
    [
        ("status.phase=Done", False),
        ("status.phase!=Running", False),
        ("spec.paused=true", False),
        ("spec.size=4", False),
        ("spec.size=3,status.phase=Done", False),
        ("status.phase=Running,spec.paused=false,spec.size=3", True),
        ("status.phase!=Done", True),
        # Not a path in the object, not comparable as text, not present.
        ("status.successful=7", True),
        ("status.at=2", True),
        ("status=x", True),
        ("spec.nodeName=a", True),
        ("status.phase.more=x", True),
    ],
)
def test_the_fields_of_a_whole_object_are_compared(fields: str, belongs: bool) -> None:
    found = problem(WHOLE, fields=fields)

    assert (found == "") is belongs
    assert belongs or "does not match the field selector" in found
