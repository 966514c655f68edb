"""Creates thousands of job objects quickly."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from .client import RawClient
from .manifests import JobKind
from .processes import ControlPlaneError

_WORKERS = 16


def create_jobs(
    client: RawClient,
    count: int,
    namespace: str,
    *,
    kind: JobKind,
    name: Callable[[int], str],
    labels: Callable[[int], Mapping[str, str]] | None,
) -> list[str]:
    """Create `count` objects of `kind`; return their names, in the order of their indices.

    Raises ControlPlaneError when the server refused one; others may have been created.
    """
    names = [name(index) for index in range(count)]
    path = kind.path(namespace)

    def create(index: int) -> None:
        manifest = kind.manifest(names[index], labels(index) if labels else None)
        # The answer is not parsed: at this rate the creator competes with the server for the CPU.
        status, _, data = client.request_bytes("POST", path, json.dumps(manifest).encode())
        if status != 201:
            raise ControlPlaneError(f"POST {path}: {status} {data.decode()}")

    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="create-jobs") as pool:
        for _ in pool.map(create, range(count)):
            pass
    return names
