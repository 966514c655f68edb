"""Discovery, and the resource that a name means.

Covered: which resources count, preferred versions, groups that fail, other servers; names
of all forms, ambiguity, near matches; the server's version. Left out: the real server
(test_control_plane).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.campaign.targets import kinds_of
from fleetpatch.errors import ClusterError, CredentialsError, UsageError
from fleetpatch.kube.resolve import resolve
from fleetpatch.model.resource import Resource, groups_named
from fleetpatch.rules.patching.merging import ServerMerging
from tests.kube.peers import Act, Answers, Request, http, in_turn, opened, status

VERBS = ["get", "list", "patch", "watch"]


def served(name: str, kind: str, *short: str, verbs: list[str] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "singularName": "",
        "kind": kind,
        "namespaced": True,
        "verbs": VERBS if verbs is None else verbs,
        "shortNames": list(short) or None,
    }


PATHS: Mapping[str, Any] = {
    "/apis": {
        "groups": [
            {
                "name": "batch",
                "versions": [{"version": "v1beta1"}, {"version": "v1"}],
                "preferredVersion": {"version": "v1"},
            },
            {"name": "batch.volcano.sh", "versions": [{"version": "v1alpha1"}]},
            {"name": "kubeflow.org", "versions": [{"version": "v1"}]},
        ]
    },
    "/api/v1": {"resources": [served("pods", "Pod", "po"), served("bindings", "B", verbs=[])]},
    "/apis/batch/v1": {
        "resources": [served("jobs", "Job"), served("jobs/status", "Job")],
    },
    "/apis/batch/v1beta1": {
        "resources": [served("cronjobs", "CronJob", "cj"), served("jobs", "Job")]
    },
    "/apis/batch.volcano.sh/v1alpha1": {"resources": [served("jobs", "Job", "vcjob", "vj")]},
    "/apis/kubeflow.org/v1": {"resources": [served("tfjobs", "TFJob")]},
}


def answers(**broken: bytes | Act) -> Answers:
    """Serve PATHS, with other answers for the groups that are named here."""

    def answer(request: Request) -> bytes | Act:
        for group, other in broken.items():
            if request.path.startswith(f"/apis/{group}/"):
                return other
        return http(200, PATHS[request.path])

    return answer


async def discovered(**broken: bytes | Act) -> tuple[tuple[Resource, ...], dict[str, str]]:
    async with opened(answers(**broken)) as (api, _peer):
        return tuple(await api.resources()), api.unavailable


async def test_discovery_finds_what_can_be_listed_and_patched_preferred_versions_first() -> None:
    resources, unavailable = await discovered()

    assert [(resource.api_version, resource.plural) for resource in resources] == [
        ("v1", "pods"),
        ("batch/v1", "jobs"),
        ("batch/v1beta1", "cronjobs"),
        ("batch/v1beta1", "jobs"),
        ("batch.volcano.sh/v1alpha1", "jobs"),
        ("kubeflow.org/v1", "tfjobs"),
    ]
    assert resources[4].short_names == ("vcjob", "vj")
    assert resources[4].singular == "job"
    assert unavailable == {}


@pytest.mark.parametrize(
    "failure", [status(503, "ServiceUnavailable"), http(200, b"<html>"), status(403), Act.RESET]
)
async def test_a_group_that_fails_does_not_affect_the_others(failure: bytes | Act) -> None:
    resources, unavailable = await discovered(**{"kubeflow.org": failure})

    assert resolve("jobs.batch", resources, unavailable).version == "v1"
    assert list(unavailable) == ["kubeflow.org/v1"]
    with pytest.raises(ClusterError, match=r"kubeflow\.org/v1"):
        resolve("tfjobs", resources, unavailable)
    with pytest.raises(ClusterError, match=r"kubeflow\.org/v1"):
        resolve("tfjobs.kubeflow.org", resources, unavailable)
    with pytest.raises(UsageError, match="is not served"):
        resolve("mxjobs.elsewhere.org", resources, unavailable)


@pytest.mark.parametrize("said", ["batch/v1", "kubeflow.org/v1beta1", "v1"])
async def test_the_resources_of_another_version_are_not_accepted(said: str) -> None:
    stray = {"groupVersion": said, "resources": [served("tfjobs", "TFJob")]}
    resources, unavailable = await discovered(**{"kubeflow.org": http(200, stray)})

    assert "tfjobs" not in {resource.plural for resource in resources}
    assert list(unavailable) == ["kubeflow.org/v1"]


async def test_resources_with_the_right_version_are_accepted() -> None:
    ours = {"groupVersion": "kubeflow.org/v1", "resources": [served("tfjobs", "TFJob")]}
    resources, unavailable = await discovered(**{"kubeflow.org": http(200, ours)})

    assert resources[-1].name == "tfjobs.kubeflow.org"
    assert unavailable == {}


@pytest.mark.parametrize("name", ["jobs", "Job", "vcjob"])
@pytest.mark.parametrize("failure", [status(503, "ServiceUnavailable"), http(200, b"<html>")])
async def test_a_name_without_its_group_is_refused_while_another_group_may_serve_it(
    name: str, failure: bytes
) -> None:
    hidden, meant = ("batch.volcano.sh", "jobs.batch")
    if name == "vcjob":
        hidden, meant = ("kubeflow.org", "jobs.batch.volcano.sh")
    resources, unavailable = await discovered(**{hidden: failure})

    with pytest.raises(ClusterError) as caught:
        resolve(name, resources, unavailable)

    assert f"{name!r} may be ambiguous, since not all groups could be read" in str(caught.value)
    assert f"{hidden}/v1" in str(caught.value)
    assert f"write '{meant}' if you mean that one" in str(caught.value)
    assert resolve(meant, resources, unavailable).name == meant


async def test_a_name_that_two_groups_serve_is_ambiguous_whatever_else_is_unavailable() -> None:
    resources, unavailable = await discovered(**{"kubeflow.org": status(503)})

    with pytest.raises(UsageError, match=r"write one of these: jobs\.batch, jobs\.batch\.volcano"):
        resolve("jobs", resources, unavailable)


def test_another_version_of_the_same_group_does_not_make_a_name_ambiguous() -> None:
    assert resolve("jobs", [BATCH], {"batch/v1beta1": "503"}) == BATCH


@pytest.mark.parametrize("name", ["jobs.batch", "jobs.v1.batch", "job.batch"])
def test_a_name_with_its_group_is_not_affected_by_other_groups(name: str) -> None:
    assert resolve(name, [BATCH], {"batch.volcano.sh/v1alpha1": "503", "v1": "503"}) == BATCH


def test_the_core_group_may_hide_a_name_too() -> None:
    with pytest.raises(ClusterError, match=r"v1: 503.*write 'jobs\.batch'"):
        resolve("jobs", [BATCH], {"v1": "503"})


async def test_a_kind_that_may_be_ambiguous_is_refused_and_its_full_name_accepted() -> None:
    down = answers(**{"batch.volcano.sh": status(503, "ServiceUnavailable")})

    async with opened(down) as (api, _peer):
        with pytest.raises(ClusterError, match=r"batch\.volcano\.sh/v1alpha1.*'jobs\.batch'"):
            await kinds_of(api, ["tfjobs.kubeflow.org", "jobs"])
        assert (await kinds_of(api, ["tfjobs.kubeflow.org", "jobs.batch"])).keys() == {
            "tfjobs.kubeflow.org",
            "jobs.batch",
        }


async def test_requests_of_discovery_are_counted_as_gets() -> None:
    async with opened(answers()) as (api, _peer):
        await api.resources()

    assert api.requests == {"patch": 0, "get": 6, "list": 0}


async def test_only_the_groups_that_are_named_are_requested() -> None:
    async with opened(answers()) as (api, peer):
        served = await api.resources(groups_named(["jobs.batch", "tfjobs.v1.kubeflow.org"]))

    assert resolve("jobs.batch", served).plural == "jobs"
    assert {one.group for one in served} == {"batch", "kubeflow.org"}
    assert not [one for one in peer.requests if "volcano" in one.target]


@pytest.mark.parametrize("names", [["jobs"], ["jobs.batch", "tfjobs"], ["vcjob"]])
def test_a_name_without_a_group_may_mean_any_group(names: list[str]) -> None:
    assert groups_named(names) is None


async def test_a_server_that_is_not_kubernetes_is_refused() -> None:
    async with opened(in_turn(http(200, b"<html>Welcome to nginx"))) as (api, _peer):
        with pytest.raises(ClusterError, match="not a Kubernetes API; check the address"):
            await api.resources()


async def test_refused_credentials_are_an_error() -> None:
    async with opened(in_turn(status(401, "Unauthorized"))) as (api, _peer):
        with pytest.raises(CredentialsError, match="401 Unauthorized"):
            await api.resources()


def resource(plural: str, group: str, kind: str, *short: str, version: str = "v1") -> Resource:
    return Resource(group, version, plural, kind, kind.lower(), short)


BATCH = resource("jobs", "batch", "Job")
BATCH_BETA = resource("jobs", "batch", "Job", version="v1beta1")
VOLCANO = resource("jobs", "batch.volcano.sh", "Job", "vcjob", "vj", version="v1alpha1")
TFJOB = resource("tfjobs", "kubeflow.org", "TFJob")
PODS = resource("pods", "", "Pod", "po")
ALL = (PODS, BATCH, BATCH_BETA, VOLCANO, TFJOB)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("jobs.batch", BATCH),
        ("job.batch", BATCH),
        ("Job.batch", BATCH),
        ("jobs.v1.batch", BATCH),
        ("jobs.v1beta1.batch", BATCH_BETA),
        ("jobs.batch.volcano.sh", VOLCANO),
        ("jobs.v1alpha1.batch.volcano.sh", VOLCANO),
        ("vcjob", VOLCANO),
        ("VJ", VOLCANO),
        ("tfjobs", TFJOB),
        ("tfjob", TFJOB),
        ("TFJob", TFJOB),
        ("TFJobs.kubeflow.org", TFJOB),
        ("pods", PODS),
        ("po", PODS),
        ("pods.v1.", PODS),
    ],
)
def test_a_name_means_one_resource(name: str, meant: Resource) -> None:
    assert resolve(name, ALL) == meant


@pytest.mark.parametrize("name", ["jobs", "job", "Job"])
def test_an_ambiguous_name_is_refused_with_the_candidates(name: str) -> None:
    with pytest.raises(UsageError, match=r"write one of these: jobs.batch, jobs.batch.volcano.sh$"):
        resolve(name, ALL)


def test_a_name_that_one_group_alone_serves_is_not_ambiguous() -> None:
    assert resolve("jobs", [BATCH, BATCH_BETA, TFJOB]) == BATCH


def test_the_core_group_has_an_unambiguous_name_too() -> None:
    events = [resource("events", "", "Event"), resource("events", "events.k8s.io", "Event")]

    with pytest.raises(UsageError, match=r"events\.events\.k8s\.io, events\.v1\.$"):
        resolve("events", events)
    assert resolve("events.v1.", events) == events[0]


def test_a_full_name_goes_before_a_short_one() -> None:
    other = resource("trainings", "example.com", "Training", "tfjobs")

    assert resolve("tfjobs", [other, TFJOB]) == TFJOB


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("jobs.bacth", "jobs.batch, jobs.batch.volcano.sh"),
        ("tfjobz", "did you mean tfjobs.kubeflow.org, jobs.batch, jobs.batch.volcano.sh?"),
        ("jobz", "did you mean jobs.batch, jobs.batch.volcano.sh, tfjobs.kubeflow.org?"),
        ("tfjobs.kubeflow.com", "tfjobs.kubeflow.org"),
        ("widgets", "kubectl api-resources"),
        ("", "kubectl api-resources"),
    ],
)
def test_a_name_that_is_not_served_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="is not served") as caught:
        resolve(name, ALL)

    assert hint in str(caught.value)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_means_a_resource_or_is_a_usage_error(name: str) -> None:
    with suppress(UsageError):
        assert resolve(name, ALL) in ALL


@pytest.mark.parametrize(
    ("answer", "release"),
    [
        (http(200, {"major": "1", "minor": "36", "gitVersion": "v1.36.2"}), "1.36"),
        (http(200, {"major": "1", "minor": "20+", "gitVersion": "v1.20.15-eks-1"}), "1.20"),
        (http(200, {"gitVersion": "CCI"}), ""),
        (http(200, {"gitVersion": None}), ""),
        (http(200, {"gitVersion": 1.36}), ""),
        (http(200, {}), ""),
        (http(200, []), ""),
        (http(200, b"<html>"), ""),
        (http(404, b"404 page not found"), ""),
        (status(403, "Forbidden"), ""),
    ],
)
async def test_the_version_is_the_servers_or_empty(answer: bytes, release: str) -> None:
    async with opened(in_turn(answer)) as (api, peer):
        assert [await api.merging(), await api.merging()] == [ServerMerging(release)] * 2

    assert [request.path for request in peer.requests] == ["/version"]


async def test_the_version_is_requested_again_where_the_server_is_busy() -> None:
    said = http(200, {"gitVersion": "v1.36.2"})

    async with opened(in_turn(status(429), status(503), said)) as (api, _):
        assert await api.merging() == ServerMerging("1.36")


async def test_a_server_that_stays_busy_is_an_error() -> None:
    async with opened(in_turn(status(503))) as (api, _):
        with pytest.raises(ClusterError):
            await api.merging()
