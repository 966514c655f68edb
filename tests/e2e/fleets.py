"""Job objects on the real control plane, as an independent reader sees them."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from tests.control_plane import JOB_KINDS, ControlPlane, JobKind

Key: TypeAlias = tuple[str, str, str]
"""Kind (`jobs.batch`), namespace and name."""

Snapshot: TypeAlias = dict[Key, dict[str, Any]]
"""The metadata of objects."""

BATCH = JOB_KINDS["jobs.batch"]
_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
_MERGE = "application/merge-patch+json"


def namespaces(control_plane: ControlPlane, *endings: str) -> list[str]:
    """Create namespaces with a common prefix that no other namespace has."""
    beginning = f"e2e-{secrets.token_hex(4)}"
    names = [f"{beginning}-{ending}" for ending in endings]
    for name in names:
        answer = control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert answer.status == 201
    return names


def snapshot(
    control_plane: ControlPlane, spaces: Iterable[str], kinds: Iterable[JobKind] = (BATCH,)
) -> Snapshot:
    """Read all objects of these kinds in these namespaces."""
    seen: Snapshot = {}
    for space in spaces:
        for kind in kinds:
            answer = control_plane.request("GET", kind.path(space), headers=_LIST)
            assert answer.status == 200
            for item in answer.body["items"] or ():
                metadata = item["metadata"]
                seen[f"{kind.plural}.{kind.group}", space, metadata["name"]] = metadata
    return seen


def merge(control_plane: ControlPlane, path: str, **labels: str | None) -> None:
    """Set (None: remove) labels of one object, as another writer does."""
    status, _, _ = control_plane.client().request_bytes(
        "PATCH", path, {"metadata": {"labels": labels}}, _MERGE
    )
    assert status == 200


def delete(control_plane: ControlPlane, path: str) -> None:
    """Delete an object at once; by default a batch Job would wait for a controller."""
    answer = control_plane.request("DELETE", path, {"propagationPolicy": "Background"})
    assert answer.status == 200


def side_by_side(work: Callable[[str], None], names: Iterable[str]) -> None:
    """Do `work` for each name, in threads."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, names))


def versions(seen: Mapping[Key, Mapping[str, Any]]) -> dict[Key, str]:
    """Return each object's resourceVersion."""
    return {key: metadata["resourceVersion"] for key, metadata in seen.items()}
