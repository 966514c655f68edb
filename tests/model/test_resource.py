"""Names of kinds, and the resources that they mean.

Covered: names of all forms against a list of resources, and against the tables of the providers.
Left out: ambiguous and unknown names on a server (tests/kube/test_discovery).
"""

import pytest

from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.providers.kinds import BATCH_JOB, PYTORCH_JOB, TF_JOB, VOLCANO_JOB
from fleetpatch.model.providers.tables import known_resource
from fleetpatch.model.resource import Resource, groups_named, resources_named

POD = Resource("", "v1", "pods", "Pod", "pod", ("po",))
EVENT = Resource("events.k8s.io", "v1", "events", "Event", "event", ("ev",))
CORE_EVENT = Resource("", "v1", "events", "Event", "event", ("ev",))
OLD_JOB = Resource("batch", "v1beta1", "jobs", "Job", "job")
ALL = (BATCH_JOB, OLD_JOB, VOLCANO_JOB, TF_JOB, POD, CORE_EVENT, EVENT)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("jobs.batch", [BATCH_JOB]),
        ("Job.Batch", [BATCH_JOB]),
        ("jobs.v1beta1.batch", [OLD_JOB]),
        ("jobs", [BATCH_JOB, VOLCANO_JOB]),
        ("VJ", [VOLCANO_JOB]),
        ("tfjob", [TF_JOB]),
        ("po", [POD]),
        ("events.v1.", [CORE_EVENT]),
        ("ev.events.k8s.io", [EVENT]),
        ("jobs.elsewhere", []),
        ("nothing", []),
    ],
)
def test_a_name_means_every_resource_that_it_matches(name: str, meant: list[Resource]) -> None:
    assert resources_named(name, ALL) == meant


@pytest.mark.parametrize("resource", [BATCH_JOB, VOLCANO_JOB, TF_JOB, POD, CORE_EVENT, EVENT])
def test_an_unambiguous_name_means_only_its_resource(resource: Resource) -> None:
    assert resources_named(resource.unambiguous_name, ALL) == [resource]


def test_groups_are_known_if_each_name_contains_its_group() -> None:
    assert groups_named(["jobs.batch", "tfjobs.v1.kubeflow.org"]) == frozenset(
        {
            "batch",
            "v1.kubeflow.org",
            "kubeflow.org",
        }
    )
    assert groups_named(["jobs.batch", "pods"]) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jobs.batch", ("batch", "", "jobs", "Job")),
        ("jobs.v1.batch", ("batch", "v1", "jobs", "Job")),
        ("tfjob", ("kubeflow.org", "", "tfjobs", "TFJob")),
        ("vcjob", ("batch.volcano.sh", "", "jobs", "Job")),
        ("deployments.apps", ("apps", "", "deployments", "")),
        ("widgets.v2beta1.example.com", ("example.com", "v2beta1", "widgets", "")),
        ("widgets.vendor.com", ("vendor.com", "", "widgets", "")),
        ("pods.v1.", ("", "v1", "pods", "")),
        ("jobs", None),
        ("job", None),
        ("pods", None),
    ],
)
def test_on_kubernetes_a_resource_is_known_as_far_as_its_name_says(
    name: str, expected: tuple[str, str, str, str] | None
) -> None:
    found = known_resource(name, ProviderName.KUBERNETES)

    assert (found and (found.group, found.version, found.plural, found.kind)) == expected


def test_a_closed_provider_resolves_more_names() -> None:
    assert known_resource("pytorchjobs", ProviderName.CCI) == PYTORCH_JOB
    assert known_resource("jobs.batch", ProviderName.CCI) == BATCH_JOB
    assert known_resource("pods", ProviderName.CCI) == Resource("", "", "pods", "")
    assert known_resource("jobs", ProviderName.CCI) is None
