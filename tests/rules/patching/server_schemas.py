"""A server's /openapi/v3 document, made of a table of merge rules; tests change it."""

from copy import deepcopy
from typing import Any

from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import openapi
from tests.fakes import JOBS


def document(version: str, *kinds: Resource) -> Any:
    """The document of a server that merges these kinds, by default Jobs, as `version`."""
    return deepcopy(openapi.document(version, kinds or (JOBS,)))


def properties(made: Any, name: str) -> dict[str, Any]:
    """The fields of a type, such as `api.core.v1.PodSpec`."""
    found: dict[str, Any] = made["components"]["schemas"][f"io.k8s.{name}"]["properties"]
    return found
