"""The schemas of Kubernetes' releases.

The only importer of kubernetes-validate, which has no types.
"""

from functools import cache
from typing import Any, Final

from kubernetes_validate import utils

RELEASES: Final = [f"1.{minor}" for minor in range(30, 37)]

# It reads a schema and all definitions of a release for each object.
utils.schema_contents = cache(utils.schema_contents)


def validate(document: dict[str, Any], release: str) -> None:
    """Raise an error if the object is not valid, or has a field that the release lacks."""
    used = utils.validate(document, release, strict=True)
    assert used == release, f"the schema of {release} was not found"
