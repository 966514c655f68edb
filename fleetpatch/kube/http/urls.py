"""Builds the URLs of one API server's objects and lists.

Names of objects are DNS subdomains and need no quoting. Any other name is quoted, so that it cannot
lead to another path: a hostile server may list any name. The part before the name is built once for
each resource and namespace, the query of a PATCH once for each resource and its options.

A PATCH has only query parameters that the provider's table lists for the kind: a server may refuse
or ignore others.
"""

import re
from typing import Final
from urllib.parse import quote, urlencode

from yarl import URL

from fleetpatch.model.change import PatchOptions, PatchRequest, PatchType
from fleetpatch.model.providers.capability import ProviderName, QueryParameter
from fleetpatch.model.providers.tables import capability
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target

_is_plain: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?").fullmatch


class Urls:
    """URLs below `server`, which may have a path of its own and ends without a slash."""

    def __init__(self, server: str, provider: ProviderName = ProviderName.KUBERNETES) -> None:
        self._server = server
        self._provider = provider
        self._prefixes: dict[tuple[Resource, str], str] = {}
        self._queries: dict[tuple[Resource, PatchType, PatchOptions, bool], str] = {}

    def path(self, path: str) -> URL:
        """Return the URL of a path that is already quoted."""
        return URL(self._server + path, encoded=True)

    def read(self, target: Target) -> URL:
        """Return the URL of the object itself."""
        return URL(self._object(target), encoded=True)

    def patch(self, target: Target, request: PatchRequest, *, dry_run: bool) -> URL:
        """Return the URL of a PATCH, with its query.

        Raises RuntimeError for a dry run of a kind that ignores `dryRun`: it would be patched.
        """
        key = (target.resource, request.type, request.options, dry_run)
        # Cached, since urlencode would be the most expensive step of building a PATCH.
        query = self._queries.get(key)
        if query is None:
            query = self._queries[key] = self._query(*key)
        return URL(self._object(target) + query, encoded=True)

    def listing(self, resource: Resource, namespace: str | None, query: dict[str, str]) -> URL:
        """Return the URL of a collection; empty values of `query` are left out."""
        given = {key: value for key, value in query.items() if value}
        path = self._collection(resource, namespace or "")
        return URL(f"{path}?{_encoded(given)}", encoded=True)

    def _query(
        self, resource: Resource, patch_type: PatchType, options: PatchOptions, dry_run: bool
    ) -> str:
        known = capability(self._provider, resource)
        taken = known.query if known else ()
        if dry_run and QueryParameter.DRY_RUN not in taken:
            raise RuntimeError(f"{self._provider} has no dry run of a PATCH of {resource.name}")
        # The API server refuses `force` for every patch type but apply.
        forced = options.force and patch_type is PatchType.APPLY
        wanted = {
            QueryParameter.FIELD_MANAGER: options.field_manager,
            QueryParameter.FORCE: "true" if forced else "",
            QueryParameter.PRETTY: "true" if options.pretty else "",
            QueryParameter.DRY_RUN: "All" if dry_run else "",
        }
        given = {name.value: value for name, value in wanted.items() if value and name in taken}
        return f"?{_encoded(given)}" if given else ""

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


def _encoded(query: dict[str, str]) -> str:
    return urlencode(query, quote_via=quote, safe="")


def _segment(name: str) -> str:
    if _is_plain(name):
        return name
    # `quote` keeps dots, but clients and proxies resolve the segments `.` and `..`.
    return quote(name, safe="").replace(".", "%2E")
