"""The sandbox as Kubernetes 1.36 answers recorded requests as a real kube-apiserver 1.36.2 did.

Covered: the conversations of the other modules in this folder with that server
(tests/recorded/README.md): generated patches of three types, lists, new objects, updates,
deletions, applies of several managers, strategic merges of pod templates, Leases, unusual paths.
Compared are status, reason, causes, details, objects with their owners, and whether a version
changed. Left out: what `tests.differential.replay` names.
"""

import lzma
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest

from fleetpatch.sandbox.apiserver.release import RELEASES, KubernetesVersion
from tests.differential.replay import Differing, Exchange, differing

RECORDED = Path(__file__).parents[1] / "recorded" / "kubernetes-1.36-conversations.jsonl.xz"
SERVERS = {
    "patches and lists": 2007,
    "leases": 131,
    "new objects, updates and deletions": 179,
    "applies": 2806,
    "strategic merges": 1098,
}
"""Groups of conversations, each with a server of its own, and the number of their exchanges."""

ACCEPTED: Mapping[str, str] = {
    "APIResourceList": (
        "The sandbox does not serve watches, deletions of collections and writes of a status, so"
        " its lists of resources have fewer verbs, and no categories or storage versions."
    ),
}
"""Differences that are accepted, by the kind of the answer, and why."""


@lru_cache
def exchanges() -> list[Exchange]:
    with lzma.open(RECORDED) as lines:
        return [msgspec.json.decode(line, type=Exchange) for line in lines]


def recorded(server: str) -> list[Exchange]:
    return [exchange for exchange in exchanges() if exchange.server == server]


@lru_cache
def answered_otherwise(server: str, version: KubernetesVersion) -> Sequence[Differing]:
    return [*differing(recorded(server), RELEASES[version])]


@pytest.mark.parametrize("server", SERVERS)
def test_the_sandbox_answers_as_the_recorded_server(server: str) -> None:
    found = answered_otherwise(server, KubernetesVersion.V1_36)

    assert len(recorded(server)) == SERVERS[server]
    assert [str(each) for each in found if kind_of(each) not in ACCEPTED] == []


def test_each_accepted_difference_still_exists() -> None:
    found = answered_otherwise("patches and lists", KubernetesVersion.V1_36)

    assert Counter(map(kind_of, found)) == {"APIResourceList": 5}


def test_the_answers_of_another_version_differ() -> None:
    found = answered_otherwise("leases", KubernetesVersion.V1_20)

    # The label of the new namespace.
    assert [each.exchange.path for each in found] == ["/api/v1/namespaces"]


def kind_of(found: Differing) -> str:
    answer = found.answer
    return str(answer.get("kind", "")) if isinstance(answer, dict) else ""
