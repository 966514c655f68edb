"""What can be asked of a server: method, headers, and how large a body may be."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from fleetpatch.model.change import PatchType

_MIB: Final = 1024 * 1024
_JSON: Final = "application/json"
_METADATA: Final = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{_JSON}"
_METADATA_LIST: Final = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{_JSON}"


@dataclass(frozen=True, slots=True, eq=False)
class RequestTemplate:
    """One way of asking. There is one object for each way, compared by identity.

    `limit` is in bytes. Small answers are not compressed: it would cost both sides more than it
    saves.
    """

    method: str
    accept: str
    limit: int
    compressed: bool = False
    content_type: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that do not depend on the connection."""
        headers = {
            "Accept": self.accept,
            "Accept-Encoding": "gzip" if self.compressed else "identity",
        }
        return headers | ({"Content-Type": self.content_type} if self.content_type else {})


DOCUMENT: Final = RequestTemplate("GET", _JSON, 8 * _MIB, compressed=True)
POSTING: Final = RequestTemplate("POST", _JSON, 8 * _MIB, content_type=_JSON)


@cache
def reading(*, whole: bool) -> RequestTemplate:
    """GET an object: all of it, or its metadata."""
    return RequestTemplate("GET", _JSON if whole else _METADATA, 8 * _MIB)


@cache
def listing(*, whole: bool) -> RequestTemplate:
    """GET a page of a collection."""
    return RequestTemplate("GET", _JSON if whole else _METADATA_LIST, 32 * _MIB, compressed=True)


@cache
def patching(patch_type: PatchType, *, whole: bool) -> RequestTemplate:
    """PATCH an object, and be shown all of it, or its metadata."""
    accept = _JSON if whole else _METADATA
    return RequestTemplate("PATCH", accept, 8 * _MIB, content_type=patch_type.value)
