"""v1 Pod: which fields of its spec may be changed, as in kube-apiserver.

Everything else of a PodSpec is accepted as it is.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Json
from fleetpatch.sandbox.apiserver.statuses import Cause

_MUTABLE: Final = ("activeDeadlineSeconds", "tolerations")
_CONTAINERS: Final = ("containers", "initContainers")
_FORBIDDEN: Final = Cause(
    "spec",
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    " `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` (only"
    " additions to existing tolerations)",
)


def change_problems(spec: Json, stored: Json) -> Iterator[Cause]:
    """Yield a problem if a field is changed that cannot be (ValidatePodUpdate)."""
    if not deep_equal(_fixed(spec), _fixed(stored)):
        yield _FORBIDDEN


def _fixed(spec: Json) -> Json:
    """The part of a spec that never changes."""
    if not isinstance(spec, dict):
        return spec
    fixed = {field: value for field, value in spec.items() if field not in _MUTABLE}
    for field in _CONTAINERS:
        if isinstance(containers := fixed.get(field), list):
            fixed[field] = [
                {**one, "image": ""} if isinstance(one, dict) else one for one in containers
            ]
    return fixed
