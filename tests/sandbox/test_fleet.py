"""The sample fleet: the same for the same numbers, and suitable for the demo's plan.

Left out: whether the models resemble real jobs, which people must judge.
"""

from collections import Counter

import pytest

from fleetpatch.sandbox.apiserver.discovery import JOB_KINDS, NAMESPACES, SERVED
from fleetpatch.sandbox.apiserver.objects import check
from fleetpatch.sandbox.apiserver.release import RELEASES, KubernetesVersion, Release
from fleetpatch.sandbox.apiserver.store import Store
from fleetpatch.sandbox.fleet import fill, namespace_names

RELEASE = RELEASES[KubernetesVersion.V1_36]


def fleet(jobs: int, namespaces: int, seed: int, release: Release = RELEASE) -> Store:
    store = Store(SERVED)
    fill(store, release, job_count=jobs, namespace_count=namespaces, seed=seed)
    return store


def test_the_same_numbers_make_the_same_fleet() -> None:
    assert list(fleet(200, 6, 1)) == list(fleet(200, 6, 1))
    assert list(fleet(200, 6, 1)) != list(fleet(200, 6, 2))


def test_two_places_have_the_same_objects_with_uids_of_their_own() -> None:
    def at(place: str) -> Store:
        store = Store(SERVED)
        fill(store, RELEASE, job_count=60, namespace_count=6, seed=1, place=place)
        return store

    def names(store: Store) -> list[str]:
        return [document["metadata"]["name"] for _, document in store]

    def uids(store: Store) -> set[str]:
        return {document["metadata"]["uid"] for _, document in store}

    assert names(at("here")) == names(at("there"))
    assert not uids(at("here")) & uids(at("there"))
    assert list(at("here")) == list(at("here"))


def test_all_kinds_have_equal_shares() -> None:
    kinds = Counter(resource for resource, _ in fleet(200, 6, 1))

    assert kinds == {**dict.fromkeys(JOB_KINDS, 40), NAMESPACES: 7}


def test_selectors_match_some_of_the_labels() -> None:
    labels = [
        document["metadata"]["labels"]
        for resource, document in fleet(500, 6, 1)
        if resource in JOB_KINDS
    ]

    assert {each["app"] for each in labels} == {"etl", "train", "serve"}
    assert {each["tier"] for each in labels} == {"gold", "std"}
    assert all(each["team"] for each in labels)
    assert 0 < sum("owner" not in each for each in labels) < 250


@pytest.mark.parametrize("version", KubernetesVersion)
def test_every_object_is_valid(version: KubernetesVersion) -> None:
    release = RELEASES[version]

    for resource, document in fleet(100, 6, 1, release):
        check(release, resource, document, None)


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (0, []),
        (1, ["team-etl-01"]),
        (4, ["team-etl-01", "team-train-01", "team-legacy", "platform"]),
    ],
)
def test_globs_match_some_of_the_namespaces(count: int, names: list[str]) -> None:
    assert namespace_names(count) == names
    assert len(set(namespace_names(50))) == 50
