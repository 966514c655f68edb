"""Templates of requests: method, headers, and the size limit of the answer."""

from functools import cache
from typing import Final

import msgspec

from fleetpatch._version import __version__
from fleetpatch.model.change import PatchType
from fleetpatch.model.traffic import PATCH

_MIB: Final = 1024 * 1024
# The limits below are far above what etcd stores for an object (1.5 MiB): they protect our memory
# from a server or gateway that sends without end.
ERROR_LIMIT: Final = 2 * _MIB
"""Of an error's body: an API server quotes refused values, of up to 1.5 MiB."""
_FIRST_FAILURE: Final = 300
_JSON: Final = "application/json"
# Plain JSON is the second choice, for servers that do not know PartialObjectMetadata.
_METADATA: Final = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{_JSON}"
# The newest form first; servers before Kubernetes 1.26 send the plain list of their groups.
_DISCOVERY: Final = (
    f"{_JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    f"{_JSON};g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,{_JSON}"
)
_METADATA_LIST: Final = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{_JSON}"


class RequestTemplate(msgspec.Struct, frozen=True, eq=False):
    """What all requests of one kind have in common.

    There is one instance for each kind of request, compared by identity, so that it is a cheap key.
    `verb` is what `Traffic` counts it under. `limit` is the size of the largest 2xx that is read,
    in bytes. `compressed` asks for gzip, which is not worth its CPU time for an answer about one
    object.
    """

    verb: str
    method: str
    accept: str
    limit: int
    compressed: bool = False
    content_type: str | None = None

    def limit_of(self, status: int) -> int:
        """Return the size of the largest body that is read of an answer with this status."""
        return self.limit if status < _FIRST_FAILURE else ERROR_LIMIT

    @property
    def headers(self) -> dict[str, str]:
        """The headers that are the same on every connection."""
        headers = {
            "Accept": self.accept,
            "Accept-Encoding": "gzip" if self.compressed else "identity",
        }
        return headers | ({"Content-Type": self.content_type} if self.content_type else {})


def user_agent(run: str = "") -> str:
    """Return the User-Agent of requests for a run, which leads from an audit log to the run."""
    return f"fleetpatch/{__version__} (run {run})" if run else f"fleetpatch/{__version__}"


GET_DOCUMENT: Final = RequestTemplate("get", "GET", _JSON, 8 * _MIB, compressed=True)
# A definition with several pod templates takes some MiB.
GET_SCHEMA: Final = RequestTemplate("get", "GET", _JSON, 32 * _MIB, compressed=True)
GET_DISCOVERY: Final = RequestTemplate("get", "GET", _DISCOVERY, 8 * _MIB, compressed=True)
POST_LOGIN: Final = RequestTemplate("login", "POST", _JSON, 8 * _MIB, content_type=_JSON)
READ_LEASE: Final = RequestTemplate("lease", "GET", _JSON, 8 * _MIB)
CREATE_LEASE: Final = RequestTemplate("lease", "POST", _JSON, 8 * _MIB, content_type=_JSON)
UPDATE_LEASE: Final = RequestTemplate(
    "lease", "PATCH", _JSON, 8 * _MIB, content_type=PatchType.MERGE.value
)


@cache
def for_get(*, whole: bool) -> RequestTemplate:
    """Return the template of a GET of an object, whole or its metadata only."""
    return RequestTemplate("get", "GET", _JSON if whole else _METADATA, 8 * _MIB)


@cache
def for_list(*, whole: bool) -> RequestTemplate:
    """Return the template of a GET of a page of a collection."""
    accept = _JSON if whole else _METADATA_LIST
    return RequestTemplate("list", "GET", accept, 32 * _MIB, compressed=True)


@cache
def for_patch(patch_type: PatchType, *, whole: bool) -> RequestTemplate:
    """Return the template of a PATCH that is answered by the whole object or its metadata."""
    accept = _JSON if whole else _METADATA
    return RequestTemplate(PATCH, "PATCH", accept, 8 * _MIB, content_type=patch_type.value)
