"""Generate writes by several managers from a seed: applies, and patches by others in between."""

from random import Random
from typing import Any

from tests.control_plane import JobKind
from tests.differential.generated import JSON_PATCH, MERGE, STRATEGIC, Step

APPLY = "application/apply-patch+yaml"

_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

_APPLIERS = ["fleetpatch", "argo", "fleetpatch"]
_UPDATERS = ["fleetpatch", "ctl", ""]
_KEYS = ["app", "team", "example.com/owner", "q"]
_VALUES: list[Any] = ["etl", "train", "4711", "etl", "etl", ""]
_SPECIAL: list[Any] = [None, "a b", 5]
_FINALIZERS = ["example.com/a", "example.com/b", "example.com/c"]
_METADATA: list[dict[str, Any]] = [
    {"resourceVersion": "VERSION"},
    {"resourceVersion": "STALE"},
    {"resourceVersion": "VERSION", "uid": "UID"},
    {"uid": "UID"},
    {"uid": "other"},
    {"resourceVersion": "STALE", "uid": "other"},
    {"resourceVersion": "0"},
    {"resourceVersion": "abc"},
    {"name": "other"},
    {"name": None},
    {"namespace": "other"},
    {"labels": {}},
    {"labels": None},
    {"labels": "text"},
    {"annotations": {}},
    {"finalizers": []},
    {"finalizers": None},
    {"finalizers": "text"},
    {"finalizers": ["example.com/a", "example.com/a"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]},
    {"creationTimestamp": None},
    {"generation": 7},
    {"generateName": "made-"},
    {"managedFields": []},
    {"managedFields": None},
    {"unknown": "field"},
]
_HEADS: list[dict[str, Any]] = [
    {"kind": "Other"},
    {"kind": None},
    {"apiVersion": "v2"},
    {"apiVersion": None},
    {"spec": None},
    {"spec": "text"},
    {"spec": {}},
    {"unknown": 1},
    {"metadata": None},
    {"metadata": ["text"]},
]
_BATCH: list[Any] = [
    {"parallelism": 2},
    {"parallelism": 3, "backoffLimit": 4},
    {"parallelism": None},
    {"parallelism": "3"},
    {"activeDeadlineSeconds": 60},
    {"completions": 7},
    {"unknown": 1},
    {"selector": {"matchLabels": {"a": "b"}}},
]
_CUSTOM: list[Any] = [
    {"replicas": 2},
    {"replicas": 3, "queue": "default"},
    {"queue": None},
    {"tasks": [{"name": "a"}, {"name": "b"}]},
    {"tasks": [{"name": "a", "replicas": 1}]},
    {"tfReplicaSpecs": {"Worker": {"replicas": 5}}},
    {"tfReplicaSpecs": {"Ps": {"replicas": 1}}},
    {"tfReplicaSpecs": {}},
]
_CONTAINER: dict[str, Any] = {"name": "main", "image": "busybox", "command": ["true"]}
_PODS: list[Any] = [
    {"containers": [_CONTAINER]},
    {"containers": [{"name": "main"}]},
    {"containers": [{**_CONTAINER, "image": "other"}]},
    {"containers": [{**_CONTAINER, "command": ["false"]}]},
    {"containers": [{"name": "more", "image": "busybox"}]},
    {"containers": [_CONTAINER, _CONTAINER]},
    {"containers": [_CONTAINER], "restartPolicy": "Never", "securityContext": {}},
    {"restartPolicy": "Never"},
    {"nowhere": 1},
]


def write(random: Random, kind: JobKind) -> Step:
    """An apply, or a write of another kind."""
    draw = random.random()
    if draw < 0.6:
        return apply(random, kind)
    if draw < 0.92:
        return _update(random)
    if draw < 0.96:
        managed: Any = random.choice([[{}], [], None, [{"manager": "unknown-manager"}]])
        return Step("PATCH", {"metadata": {"managedFields": managed}}, MERGE)
    return Step("DELETE", {"propagationPolicy": "Background"})


def apply(random: Random, kind: JobKind) -> Step:
    """A server-side apply, most often a valid one."""
    body: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind}
    body["metadata"] = {"name": "NAME", **_metadata(random)}
    if random.random() < 0.4:
        body["spec"] = _spec(random, kind)
        if "template" in body["spec"] and not body["metadata"].get("labels"):
            # A job that is created without labels has those of its pods when it is read, and a
            # server stores them with the next write, even an empty one.
            body["metadata"]["labels"] = {"app": "etl"}
    if random.random() < 0.05:
        body |= random.choice(_HEADS)
    headers = {"Accept": _PARTIAL} if random.random() < 0.1 else {}
    return Step("PATCH", body, APPLY, _query(random), headers)


def _metadata(random: Random) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if random.random() < 0.8:
        metadata["labels"] = _map(random)
    if random.random() < 0.2:
        metadata["annotations"] = _map(random)
    if random.random() < 0.2:
        metadata["finalizers"] = random.sample(_FINALIZERS, random.choice([1, 2]))
    if random.random() < 0.2:
        metadata |= random.choice(_METADATA)
    return metadata


def _map(random: Random) -> dict[str, Any]:
    """Labels or annotations, some with one kind of special value in them.

    One kind only: if a map of a custom object contains a null, a server ignores its other mistakes.
    """
    special = [random.choice(_SPECIAL)] if random.random() < 0.15 else []
    values = [*_VALUES, *special, *special]
    return {random.choice(_KEYS): random.choice(values) for _ in range(random.choice([1, 2, 3]))}


def _spec(random: Random, kind: JobKind) -> Any:
    if kind.group != "batch":
        return random.choice([*_CUSTOM, kind.spec])
    if random.random() < 0.5:
        return random.choice([*_BATCH, kind.spec])
    return {**random.choice([{}, *_BATCH[:2]]), "template": {"spec": random.choice(_PODS)}}


def _query(random: Random) -> str:
    query = f"?fieldManager={random.choice(_APPLIERS)}"
    if random.random() < 0.3:
        query += random.choice(["&force=true", "&force=true", "&force=false", "&force"])
    if random.random() < 0.05:
        query = random.choice(["", "?fieldManager=", "?force=true"])
    return query + ("&dryRun=All" if "?" in query and random.random() < 0.1 else "")


def _update(random: Random) -> Step:
    manager = random.choice(_UPDATERS)
    query = f"?fieldManager={manager}" if manager else ""
    match random.randrange(6):
        case 0:
            operation = {"op": "add", "path": "/metadata/labels/q", "value": "etl"}
            return Step("PATCH", [operation], JSON_PATCH, query)
        case 1:
            finalizers = [random.choice(_FINALIZERS)]
            body: Any = {"metadata": {"finalizers": finalizers}}
            return Step("PATCH", body, random.choice([MERGE, STRATEGIC]), query)
        case 2:
            body = random.choice([{"status": {"active": 1}}, {"spec": {"parallelism": 4}}, {}])
            return Step("PATCH", body, MERGE, query)
        case 3:
            body = random.choice([{"labels": None}, {"annotations": None}, {"labels": {}}])
            return Step("PATCH", {"metadata": body}, MERGE, query)
        case _:
            field = random.choice(["labels", "labels", "annotations"])
            return Step("PATCH", {"metadata": {field: _map(random)}}, MERGE, query)
