"""Fields that a plan must not change, and maps that have several writers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fleetpatch.model.fields import Path

_IDENTITY: Final = "identifies the object, and cannot be patched; remove it"
_SERVER: Final = "is set by the server, and cannot be patched; remove it"

UNPATCHABLE: Final[Mapping[Path, str]] = MappingProxyType(
    {
        ("status",): "is written by the kind's controller; remove it",
        ("metadata", "name"): _IDENTITY,
        ("metadata", "namespace"): _IDENTITY,
        ("metadata", "uid"): _IDENTITY,
        ("metadata", "resourceVersion"): _IDENTITY,
        ("metadata", "creationTimestamp"): _SERVER,
        ("metadata", "deletionGracePeriodSeconds"): _SERVER,
        ("metadata", "deletionTimestamp"): _SERVER,
        ("metadata", "generation"): _SERVER,
        ("metadata", "managedFields"): _SERVER,
        ("metadata", "selfLink"): _SERVER,
    }
)
"""Fields that cannot be patched, with the message of a finding."""

TYPE_META: Final = ("apiVersion", "kind")
"""The fields of a document that name its kind (metav1.TypeMeta); no operation may change them."""

SHARED_MAPS: Final[tuple[Path, ...]] = (
    ("metadata",),
    ("metadata", "labels"),
    ("metadata", "annotations"),
)
"""Maps whose keys have different owners: they must not be replaced or removed as a whole."""

WHOLE_MAP: Final = (
    "would change all labels or annotations, also those of other people and of controllers;"
    " write the single keys instead"
)
"""The message for a patch that replaces or removes one of SHARED_MAPS as a whole."""
