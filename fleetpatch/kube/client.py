"""One API server: implements `ListedCluster` and `PatchedCluster` over HTTP.

`patch` and `get` send one request and return a value, whatever happens; the engine repeats them.
`resources`, `namespaces`, `namespace_objects`, `pages`, `get_with_retries` and `merging` repeat
requests that may succeed later (`kube.retry`), and raise if they fail. Memory holds one page at a
time.
"""

import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace

from fleetpatch.errors import ClusterError, SurroundingsError, UnreachableError
from fleetpatch.kube import listing
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.discovery.discover import discover
from fleetpatch.kube.discovery.documents import release_of
from fleetpatch.kube.http import requests
from fleetpatch.kube.http.decoding import Raw, RawReply, decode_answer
from fleetpatch.kube.http.lenient_json import decode
from fleetpatch.kube.http.requests import RequestTemplate
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.kube.http.transport import Transport
from fleetpatch.kube.http.urls import Urls
from fleetpatch.kube.lease import LeaseApi
from fleetpatch.kube.listing import ListProgress
from fleetpatch.kube.retry import DISCOVERY_RETRIES, Retrier, RetryingReader
from fleetpatch.model.answer import NoAnswer, Reply, is_unreachable, one_line_with_reason
from fleetpatch.model.change import PatchRequest
from fleetpatch.model.fields import Json
from fleetpatch.model.ports import Clock, Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from fleetpatch.model.text import clean
from fleetpatch.model.traffic import Traffic
from fleetpatch.rules.answers.scope import Scope
from fleetpatch.rules.patching.merge_rules import publishes_schemas
from fleetpatch.rules.patching.merge_schema import VERSIONS
from fleetpatch.rules.patching.merging import ServerMerging
from fleetpatch.rules.patching.server_schema import is_table_of, schema_of, schema_paths

_NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", "namespace", ("ns",), False)
_UNAUTHORIZED: Final = 401

_any: Final = msgspec.json.Decoder(Any)


class ApiServer:
    """One API server, to be used in `async with`.

    `name` is the fleet's name for it. `timeout` and `connect_timeout` are seconds for a request
    and for making its connection; `page_size` is the limit of a list's first page; `run` is the run
    that the requests are for; `random` is uniform in [0, 1) and spreads waits.

    `requests` counts what was sent: "patch", "get" and "list". `insecure` reports that the
    kubeconfig switches TLS verification off, which the caller should warn of, as it should of
    `kubeconfig_warnings`, a line each. After `resources`, `unavailable` maps the group versions
    that could not be read to the reason.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        *,
        clock: Clock,
        concurrency: int = 32,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        page_size: int = listing.PAGE,
        run: str = "",
        random: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.server = connection.server
        self.route = connection.route
        self.context = connection.context
        self.insecure = connection.insecure
        self.kubeconfig_warnings = connection.warnings
        self.requests = {"patch": 0, "get": 0, "list": 0}
        self.unavailable: dict[str, str] = {}
        self._release: str | None = None
        self._transport = Transport(
            connection,
            clock,
            concurrency=concurrency,
            timeout=timeout,
            connect_timeout=connect_timeout,
            user_agent=requests.user_agent(run),
        )
        self._page_size = page_size
        self._urls = Urls(connection.server, connection.provider)
        where = f"cluster {name} ({connection.server})"
        self._reader = RetryingReader(where, self._transport.credentials, Retrier(clock, random))

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(exception_type, exception, traceback)

    @property
    def warnings(self) -> ServerWarnings:
        """The warnings of the server so far."""
        return self._transport.warnings

    @property
    def traffic(self) -> Traffic:
        """The requests that have ended so far, Leases and discovery included."""
        return self._transport.meter.traffic

    async def patch(
        self,
        target: Target,
        request: PatchRequest,
        *,
        whole: bool = False,
        dry_run: bool = False,
        traceparent: str = "",
    ) -> Reply:
        """Send one PATCH, once. Never raises for what the server or the network does.

        `traceparent` is the header with which it joins a trace.
        """
        self.requests["patch"] += 1
        url = self._urls.patch(target, request, dry_run=dry_run)
        template = requests.for_patch(request.type, whole=whole)
        raw = await self._transport.send(template, url, request.body, traceparent)
        return self._reply(raw, whole=whole)

    async def get(self, target: Target, *, whole: bool = False) -> Reply:
        """GET the object, once, with its managedFields. Never raises for what the server does."""
        self.requests["get"] += 1
        template = requests.for_get(whole=whole)
        raw = await self._transport.send(template, self._urls.read(target))
        return self._reply(raw, whole=whole, managed=True)

    async def get_with_retries(self, target: Target, *, whole: bool = False) -> Reply:
        """GET the object with its managedFields, and repeat that as a list is repeated.

        Raises ClusterError and CredentialsError where the server fails as a whole.
        """
        url, template = self._urls.read(target), requests.for_get(whole=whole)

        async def send() -> RawReply:
            self.requests["get"] += 1
            return await self._transport.send(template, url)

        reply = self._reply(await self._reader.get(send), whole=whole, managed=True)
        if is_unreachable(reply):
            raise ClusterError(
                f"{self._reader.where}: cannot be reached ({one_line_with_reason(reply)});"
                " check the address and the network"
            )
        return reply

    async def renew(self) -> bool:
        """Renew the credentials after a 401, once for all workers that call this together.

        Returns True where they may differ from those that were refused.
        """
        return await self._transport.credentials.renew()

    def lease(self, namespace: str, name: str) -> LeaseApi:
        """Return the API of one Lease; its requests are not counted in `requests`."""
        return LeaseApi(self._transport, self._urls, namespace, name)

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        selector: str,
        field_selector: str,
        whole: bool = False,
        metadata: bool = False,
        managed: bool = False,
    ) -> AsyncIterator[Page]:
        """List page by page, labels and annotations or whole objects.

        `metadata` keeps all metadata but managedFields, `managed` keeps managedFields. `namespace`
        None lists all namespaces.

        Raises CredentialsError, and ClusterError where the list cannot be read to its end, is
        forbidden, or contains objects that were not asked for.
        """
        what = f"{self._reader.where}: listing {resource.name}"
        if namespace is not None:
            what += f" in {namespace}"
        selectors = {"labelSelector": selector, "fieldSelector": field_selector}
        kept = listing.Kept(whole=whole, metadata=metadata, managed=managed)
        position: listing.Position | None = listing.Position(self._page_size, kept=kept)
        progress = ListProgress()
        while position is not None:
            query = selectors | {"limit": str(position.limit), "continue": position.token}
            send = partial(self._list, resource, namespace, query, whole=whole)
            # After a timeout the page is requested with a smaller limit, which helps more than to
            # repeat the same request; only the smallest page is repeated.
            raw = await self._reader.get(send, retry_timeouts=position.is_smallest)
            step = listing.next_step(position, progress, raw, what)
            if step.page is not None:
                # Parsed only after the answer: the server decides whether a selector is valid.
                scope = Scope.of(resource, namespace, selector, field_selector)
                _require_in_scope(step.page, scope, what)
                yield step.page
            if step.pauses:
                await self._reader.pause(step.pauses)
            position = step.position

    async def namespaces(self) -> Sequence[str]:
        """Return the names of all namespaces, sorted. Raises ClusterError or CredentialsError."""
        pages = self.pages(_NAMESPACES, namespace=None, selector="", field_selector="")
        # A set: a list that expired and was started again has names twice.
        return sorted({seen.name async for page in pages for seen in page.items})

    async def namespace_objects(self) -> dict[str, Json]:
        """Return all namespaces with their metadata, by name. Raises as `namespaces`."""
        pages = self.pages(
            _NAMESPACES, namespace=None, selector="", field_selector="", metadata=True
        )
        head = {"apiVersion": "v1", "kind": "Namespace"}
        return {
            seen.name: {**head, "metadata": seen.metadata}
            async for page in pages
            for seen in page.items
        }

    async def resources(self, groups: Collection[str] | None = None) -> Sequence[Resource]:
        """Discover what can be listed and patched, with the preferred version of a group first.

        `groups` limits it to these groups. A group version that fails, such as an aggregated API
        that is down, is left out and noted in `unavailable`. Raises ClusterError or
        CredentialsError where the server fails as a whole.
        """
        found = await discover(self._document, groups, self._reader.where)
        self.unavailable = found.unavailable
        return found.resources

    async def merging(self, kinds: Sequence[Resource] = ()) -> ServerMerging:
        """Return what is known of how the server merges `kinds`: its version, and its schema.

        Without kinds only the version is read. Raises ClusterError and CredentialsError where the
        server fails as a whole.
        """
        own = await self._own_release()
        schema = schema_of(await self._schemas(kinds), kinds) if publishes_schemas(own) else None
        if schema is None:
            return ServerMerging(own)
        # A run file without a schema is smaller, and earlier versions of the tool read it.
        if is_table_of(VERSIONS[-1], schema):
            return ServerMerging(VERSIONS[-1])
        return ServerMerging(own, schema)

    async def _schemas(self, kinds: Sequence[Resource]) -> list[Json]:
        documents: list[Json] = []
        for path in schema_paths(kinds):
            try:
                body = await self._document(requests.GET_SCHEMA, path)
            except SurroundingsError:
                continue  # the server has no such schema, or does not show it to us
            documents.append(decode(_any, body))
        return documents

    async def _own_release(self) -> str:
        if self._release is None:
            send = partial(self._get_path, requests.GET_DOCUMENT, "/version")
            raw = await self._reader.get(send, policy=DISCOVERY_RETRIES)
            self._release = ""
            if isinstance(raw, Raw) and raw.status == 200:  # noqa: PLR2004 - OK
                self._release = release_of(raw.body)
        return self._release

    def _reply(self, raw: RawReply, *, whole: bool, managed: bool = False) -> Reply:
        if isinstance(raw, NoAnswer):
            return raw
        answer = decode_answer(raw, whole=whole, managed=managed)
        error = self._transport.credentials.last_error
        if answer.status == _UNAUTHORIZED and error:
            # The cause that a person must correct is why the renewal failed, not the 401 itself.
            return replace(answer, message=clean(f"{answer.message}; {error}"))
        return answer

    async def _document(self, template: RequestTemplate, path: str) -> bytes:
        send = partial(self._get_path, template, path)
        raw = await self._reader.get(send, policy=DISCOVERY_RETRIES)
        if isinstance(raw, Raw) and raw.status == 200:  # noqa: PLR2004 - OK
            return raw.body
        reply = one_line_with_reason(raw if isinstance(raw, NoAnswer) else decode_answer(raw))
        error = UnreachableError if isinstance(raw, NoAnswer) else ClusterError
        raise error(
            f"{self._reader.where}: cannot read {path} ({reply}); "
            "check the server's address, the network and your rights"
        )

    async def _get_path(self, template: RequestTemplate, path: str) -> RawReply:
        self.requests["get"] += 1
        return await self._transport.send(template, self._urls.path(path))

    async def _list(
        self, resource: Resource, namespace: str | None, query: dict[str, str], *, whole: bool
    ) -> RawReply:
        self.requests["list"] += 1
        return await self._transport.send(
            requests.for_list(whole=whole), self._urls.listing(resource, namespace, query)
        )


def _require_in_scope(page: Page, scope: Scope, what: str) -> None:
    """Raise ClusterError for a page with objects that were not asked for.

    The server or a gateway ignores the query, so no object of its lists can be trusted.
    """
    problem = scope.problem_of_list(page.api_version, page.kind) or scope.problem_of(page.items)
    if problem:
        raise ClusterError(
            f"{what}: {problem}; check the proxies and gateways on the way to the server"
        )
