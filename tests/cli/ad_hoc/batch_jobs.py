"""The batch Jobs of a sandbox."""

from typing import Any, TypeAlias

from tests.e2e.sandboxes import SandboxServer

PATH = "/apis/batch/v1/jobs"
Job: TypeAlias = dict[str, Any]


def batch(server: SandboxServer, **labels: str) -> list[Job]:
    """Return the metadata of the batch Jobs that have these labels."""
    found = [item["metadata"] for item in server.client.request("GET", PATH).body["items"]]
    return [one for one in found if labels.items() <= one["labels"].items()]


def values(server: SandboxServer, key: str) -> dict[str, str | None]:
    return {one["name"]: one["labels"].get(key) for one in batch(server)}
