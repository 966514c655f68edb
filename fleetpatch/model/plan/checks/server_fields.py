"""Fields that a plan must not change, and maps that it shares with other writers."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fleetpatch.model.fields import Path

_IDENTITY: Final = "says which object it is, and cannot be patched; remove it"
_SERVER: Final = "is kept by the server, and cannot be patched; remove it"

OWNED: Final[Mapping[Path, str]] = MappingProxyType(
    {
        ("status",): "belongs to the kind's controller; remove it",
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
"""What nobody may patch, and what is to be said of it."""

HEAD: Final = ("apiVersion", "kind")
"""What a document may say of the kind that it is for; no operation may change it."""

SHARED: Final[tuple[Path, ...]] = (
    ("metadata",),
    ("metadata", "labels"),
    ("metadata", "annotations"),
)
"""The maps in which each key has an owner of its own: none is replaced or removed as a whole."""

AS_A_WHOLE: Final = (
    "would take all labels or annotations along, also those of other people and of controllers;"
    " name the keys that are meant, one by one"
)
