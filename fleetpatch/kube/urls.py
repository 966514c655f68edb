"""URLs of one API server's objects and lists, built cheaply.

Names of objects are DNS subdomains and need no quoting; whatever is not (a hostile server may list
anything) is quoted, so that a name can never become another path. The part before the name is
built once for each resource and namespace.
"""

import re
from typing import Final
from urllib.parse import quote, urlencode

from yarl import URL

from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target

FIELD_MANAGER: Final = "fleetpatch"
_PATCH: Final = f"?fieldManager={FIELD_MANAGER}"
_DRY_RUN: Final = f"{_PATCH}&dryRun=All"
_is_plain = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?").fullmatch


class Urls:
    """URLs below `server`, which may have a path of its own and ends without a slash."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._prefixes: dict[tuple[Resource, str], str] = {}

    def path(self, path: str) -> URL:
        """Give any path, already quoted."""
        return URL(self._server + path, encoded=True)

    def read(self, target: Target) -> URL:
        """Give the object itself."""
        return URL(self._object(target), encoded=True)

    def patch(self, target: Target, *, dry_run: bool) -> URL:
        """Give the object with the query of a PATCH."""
        query = _DRY_RUN if dry_run else _PATCH
        return URL(self._object(target) + query, encoded=True)

    def listing(self, resource: Resource, namespace: str | None, query: dict[str, str]) -> URL:
        """Give a collection; empty values of `query` are left out."""
        given = {key: value for key, value in query.items() if value}
        path = self._collection(resource, namespace or "")
        return URL(f"{path}?{urlencode(given, quote_via=quote, safe='')}", encoded=True)

    def _object(self, target: Target) -> str:
        key = (target.resource, target.namespace)
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = self._collection(*key) + "/"
        return prefix + _segment(target.name)

    def _collection(self, resource: Resource, namespace: str) -> str:
        root = f"/apis/{resource.group}" if resource.group else "/api"
        inside = f"/namespaces/{_segment(namespace)}" if namespace else ""
        return f"{self._server}{root}/{resource.version}{inside}/{_segment(resource.plural)}"


def _segment(name: str) -> str:
    if _is_plain(name):
        return name
    return quote(name, safe="").replace(".", "%2E")
