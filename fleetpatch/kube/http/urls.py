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
        self._server = URL(server, encoded=True)
        self._root = self._server.raw_path.rstrip("/")
        self._provider = provider
        self._prefixes: dict[tuple[Resource, str], str] = {}
        self._templates: dict[tuple[Resource, PatchType, PatchOptions, bool], URL] = {}

    def path(self, path: str, query: dict[str, str] | None = None) -> URL:
        """Return the URL of a path that is already quoted, and of a query that is not."""
        server = self._with_query(query) if query else self._server
        return server.with_path(self._root + path, encoded=True, keep_query=True)

    def read(self, target: Target) -> URL:
        """Return the URL of the object itself."""
        return self._server.with_path(self._object(target), encoded=True)

    def patch(self, target: Target, request: PatchRequest, *, dry_run: bool) -> URL:
        """Return the URL of a PATCH, with its query.

        Raises RuntimeError for a dry run of a kind that ignores `dryRun`: it would be patched.
        """
        key = (target.resource, request.type, request.options, dry_run)
        # A template has the query. To parse each URL would take four times as long as to replace
        # the path of a parsed one, and to encode the query even longer.
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = self._with_query(self._query(*key))
        return template.with_path(self._object(target), encoded=True, keep_query=True)

    def listing(self, resource: Resource, namespace: str | None, query: dict[str, str]) -> URL:
        """Return the URL of a collection; empty values of `query` are left out."""
        given = {key: value for key, value in query.items() if value}
        path = self._collection(resource, namespace or "")
        return self._with_query(given).with_path(path, encoded=True, keep_query=True)

    def _with_query(self, query: dict[str, str]) -> URL:
        """Return the server's URL with a query, for a path to be put in."""
        return URL(f"{self._server}?{urlencode(query, quote_via=quote, safe='')}", encoded=True)

    def _query(
        self, resource: Resource, patch_type: PatchType, options: PatchOptions, dry_run: bool
    ) -> dict[str, str]:
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
        return {name.value: value for name, value in wanted.items() if value and name in taken}

    def _object(self, target: Target) -> str:
        key = (target.resource, target.namespace)
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = self._collection(*key) + "/"
        return prefix + _segment(target.name)

    def _collection(self, resource: Resource, namespace: str) -> str:
        # Discovery's groups and versions are a server's words as well.
        root = f"/apis/{_segment(resource.group)}" if resource.group else "/api"
        inside = f"/namespaces/{_segment(namespace)}" if namespace else ""
        plural = _segment(resource.plural)
        return f"{self._root}{root}/{_segment(resource.version)}{inside}/{plural}"


def _segment(name: str) -> str:
    if _is_plain(name):
        return name
    # `quote` keeps dots, but clients and proxies resolve the segments `.` and `..`.
    return quote(name, safe="").replace(".", "%2E")
