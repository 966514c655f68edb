"""The sample fleet: jobs of the five kinds in a number of namespaces, made from a seed.

The same numbers and the same seed make the same fleet. The uids also depend on its place, since
those of two clusters are never the same. Every job has the labels
`app` (etl, train, serve), `tier` (gold, std) and `team`. Five in six have an `owner`, one in four
has annotations. Namespaces are named `team-WORD-NN`. If there are three or more, two of them are
`team-legacy` and `platform`, which the globs of a plan are likely to exclude.
"""

import uuid
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import jobs
from fleetpatch.sandbox.apiserver.discovery import (
    BATCH_JOBS,
    JOB_KINDS,
    NAMESPACES,
    PODS,
    has_generation,
)
from fleetpatch.sandbox.apiserver.objects import labelled
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.store import Store, StoredObject
from fleetpatch.sandbox.samples import models

_WORDS: Final = ("etl", "train", "serve", "vision", "speech", "fraud", "ranking", "ads")
_APPS: Final = ("etl", "train", "serve")
_TIERS: Final = ("std", "std", "std", "gold")  # one job in four is gold
_OWNERS: Final = ("ana", "bo", "chen", "dara", "emeka", "farid")
_NO_OWNER: Final = 1 / 6
_ANNOTATED: Final = 1 / 4
_SPECIAL: Final = ("team-legacy", "platform")
_ALWAYS: Final = "default"
_UUID_BITS: Final = 128
_CREATED: Final = "2026-03-01T{hour:02d}:{minute:02d}:00Z"


class _Source(Random):
    """The source of all that is random in a fleet; `salt` changes the uids alone."""

    salt: int = 0

    def uid(self) -> str:
        """Make the uid of the next object."""
        return _uuid(self.getrandbits(_UUID_BITS) ^ self.salt)


def fill(
    store: Store,
    release: Release,
    *,
    job_count: int,
    namespace_count: int,
    seed: int,
    place: str = "",
    pods: int = 0,
) -> None:
    """Load the fleet into an empty store; `place` is where it is served.

    Each job owns `pods` pods. They do not change the rest of the fleet.
    """
    random = _Source(seed)  # a reproducible fleet, no secrets
    random.salt = Random(place).getrandbits(_UUID_BITS) if place else 0  # noqa: S311 -- likewise
    names = namespace_names(namespace_count)
    store.load(NAMESPACES, [_namespace(random, release, name) for name in (_ALWAYS, *names)])
    # Collected by kind, because `Store.load` is called once for each.
    made: dict[Resource, list[StoredObject]] = {kind: [] for kind in (*JOB_KINDS, PODS)}
    for kind, document in _jobs(random, release, job_count, names):
        made[kind].append(document)
        made[PODS] += [_pod(release, document, number) for number in range(pods)]
    for kind, documents in made.items():
        store.load(kind, documents)


def namespace_names(count: int) -> list[str]:
    """The names of the fleet's namespaces."""
    special = _SPECIAL if count > len(_SPECIAL) else ()
    numbers = range(count - len(special))
    teams = [f"team-{_WORDS[at % len(_WORDS)]}-{at // len(_WORDS) + 1:02d}" for at in numbers]
    return [*teams, *special]


def new_uid(random: Random) -> str:
    """Make a uid, a version 4 UUID."""
    return _uuid(random.getrandbits(_UUID_BITS))


def _uuid(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def _jobs(
    random: _Source, release: Release, count: int, names: list[str]
) -> Iterator[tuple[Resource, StoredObject]]:
    for number in range(count):
        # In turn instead of at random, so that small fleets have all kinds.
        kind = JOB_KINDS[number % len(JOB_KINDS)]
        yield kind, _job(random, release, kind, random.choice(names), number)


def _job(
    random: _Source, release: Release, kind: Resource, namespace: str, number: int
) -> StoredObject:
    app = random.choice(_APPS)
    metadata = _metadata(random, f"{app}-{kind.kind.lower()}-{number:06d}")
    metadata["namespace"] = namespace
    metadata["labels"] = _labels(random, app, namespace)
    if random.random() < _ANNOTATED:
        metadata["annotations"] = {"example.com/ticket": f"ML-{random.randrange(10_000)}"}
    if has_generation(release, kind):
        metadata["generation"] = 1
    model = random.choice(models(release)[kind])
    spec = model.spec
    if kind == BATCH_JOBS:
        spec = jobs.with_selector(release, spec, metadata["name"], metadata["uid"])
    return {**_typed(kind), "metadata": metadata, "spec": spec, "status": model.status}


def _pod(release: Release, job: StoredObject, number: int) -> StoredObject:
    """A pod that a job owns, as the job's controller makes it; without the labels of the job."""
    owner = job["metadata"]
    reference = {
        "apiVersion": job["apiVersion"],
        "kind": job["kind"],
        "name": owner["name"],
        "uid": owner["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": f"{owner['name']}-{number}",
        "namespace": owner["namespace"],
        # Of the job's uid, so that the source of all that is random stays as it is.
        "uid": str(uuid.uuid5(uuid.UUID(owner["uid"]), str(number))),
        "creationTimestamp": owner["creationTimestamp"],
        "labels": jobs.pod_labels(release, owner["name"], owner["uid"]),
        "ownerReferences": [reference],
    }
    if has_generation(release, PODS):
        metadata["generation"] = 1
    spec = {"containers": [{"name": "main", "image": "registry.example.com/ml/main:3.28"}]}
    return {**_typed(PODS), "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def _labels(random: Random, app: str, namespace: str) -> dict[str, str]:
    team = namespace.removeprefix("team-").rstrip("-0123456789")
    labels = {"app": app, "tier": random.choice(_TIERS), "team": team}
    if random.random() >= _NO_OWNER:
        labels["owner"] = random.choice(_OWNERS)
    return labels


def _namespace(random: _Source, release: Release, name: str) -> StoredObject:
    metadata = _metadata(random, name)
    spec, status = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
    namespace = {**_typed(NAMESPACES), "metadata": metadata, "spec": spec, "status": status}
    return labelled(release, NAMESPACES, namespace)


def _metadata(random: _Source, name: str) -> dict[str, Any]:
    created = _CREATED.format(hour=random.randrange(24), minute=random.randrange(60))
    return {"name": name, "uid": random.uid(), "creationTimestamp": created}


def _typed(resource: Resource) -> Json:
    return {"apiVersion": resource.api_version, "kind": resource.kind}
