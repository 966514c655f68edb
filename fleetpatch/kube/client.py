"""One API server: the port `Cluster`, kept over HTTP.

`patch` and `read` send once and answer with a value, whatever happens; attempts are the engine's.
What the survey reads (`resources`, `namespaces`, `pages`) is read patiently and raises when it
cannot be had. Memory holds one page at a time.
"""

import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Final, Self

import anyio

from fleetpatch.errors import ClusterError, SurroundingsError
from fleetpatch.kube import discovery, listing
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.http import requests
from fleetpatch.kube.http.decoding import Raw, RawReply, decode_answer, describe
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.kube.http.transport import Transport
from fleetpatch.kube.http.urls import Urls
from fleetpatch.kube.lease import LeaseApi
from fleetpatch.kube.listing import Novelty
from fleetpatch.kube.retry import RetryingReader
from fleetpatch.model.answer import NoAnswer, Reply
from fleetpatch.model.change import PatchRequest
from fleetpatch.model.ports import Clock, Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from fleetpatch.model.text import clean
from fleetpatch.rules.answers.scope import Scope

_NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", "namespace", ("ns",), False)
_DISCOVERY_CONCURRENCY: Final = 8
_DISCOVERY_TRIES: Final = 3
_UNAUTHORIZED: Final = 401


class ApiServer:
    """One API server, to be used in `async with`.

    `name` is the fleet's name for it. `timeout` and `connect_timeout` are seconds for a request
    and for making its connection; `page_size` is how many objects a list asks for at first;
    `random` is uniform in [0, 1) and spreads waits.

    `requests` counts what was sent: "patch", "get" and "list". `insecure` tells that the
    kubeconfig switched TLS verification off, which the caller should warn of;
    `kubeconfig_warnings` are what else the person should know of the kubeconfig, a line each.
    `unavailable` says, after `resources`, which group versions could not be asked, and why.
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
        random: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.server = connection.server
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
        )
        self._page_size = page_size
        self._urls = Urls(connection.server, connection.provider)
        where = f"cluster {name} ({connection.server})"
        self._patience = RetryingReader(where, self._transport.credentials, clock, random)

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
        """What the server has warned of so far."""
        return self._transport.warnings

    async def patch(
        self, target: Target, request: PatchRequest, *, whole: bool = False, dry_run: bool = False
    ) -> Reply:
        """Send one PATCH, once. Never raises for what the server or the network does."""
        self.requests["patch"] += 1
        url = self._urls.patch(target, request, dry_run=dry_run)
        way = requests.patching(request.type, whole=whole)
        raw = await self._transport.send(way, url, request.body)
        return self._reply(raw, whole=whole)

    async def read(self, target: Target, *, whole: bool = False) -> Reply:
        """GET the object, with its managedFields. Never raises for what the server does."""
        self.requests["get"] += 1
        way = requests.reading(whole=whole)
        raw = await self._transport.send(way, self._urls.read(target))
        return self._reply(raw, whole=whole, managed=True)

    async def renew(self) -> bool:
        """Get fresh credentials after a 401, once for all who ask at the same time.

        True where they may differ from those refused.
        """
        return await self._transport.credentials.renew()

    def lease(self, namespace: str, name: str) -> LeaseApi:
        """Give access to one Lease; what is sent for it is not among `requests`."""
        return LeaseApi(self._transport, self._urls, namespace, name)

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None,
        selector: str,
        field_selector: str,
        whole: bool = False,
    ) -> AsyncIterator[Page]:
        """List page by page, metadata or whole objects; `namespace` None lists all.

        Raises ClusterError, also where the list is forbidden or shows what was not asked for, and
        CredentialsError.
        """
        what = f"{self._patience.where}: listing {resource.name}"
        if namespace is not None:
            what += f" in {namespace}"
        selectors = {"labelSelector": selector, "fieldSelector": field_selector}
        position: listing.Position | None = listing.Position(self._page_size, whole=whole)
        novelty = Novelty()
        while position is not None:
            query = selectors | {"limit": str(position.limit), "continue": position.token}
            send = partial(self._list, resource, namespace, query, whole=whole)
            raw = await self._patience.get(send, endure_slow=position.is_smallest)
            turn = listing.next_step(position, novelty, raw, what)
            if turn.page is not None:
                scope = Scope.of(resource, namespace, selector, field_selector)
                _require_in_scope(turn.page, scope, what)
                yield turn.page
            if turn.waits:
                await self._patience.pause(turn.waits)
            position = turn.position

    async def namespaces(self) -> Sequence[str]:
        """Name all namespaces. Raises ClusterError or CredentialsError."""
        pages = self.pages(_NAMESPACES, namespace=None, selector="", field_selector="")
        # A list that started again shows names twice.
        return sorted({seen.name async for page in pages for seen in page.items})

    async def resources(self, groups: Collection[str] | None = None) -> Sequence[Resource]:
        """Discover all that can be listed and patched, preferred versions first in each group.

        `groups` narrows it to these. A group version that fails (an aggregated API that is down) is
        left out and noted in `unavailable`. Raises ClusterError or CredentialsError where the
        server fails as a whole.
        """
        body = await self._document("/apis")
        versions = discovery.group_versions(body)
        if versions is None:
            raise ClusterError(
                f"{self._patience.where}: /apis is not a Kubernetes API; check the address"
            )
        versions.insert(0, discovery.CORE)
        if groups is not None:
            versions = [version for version in versions if version.group in groups]
        self.unavailable = {}
        limiter = anyio.CapacityLimiter(_DISCOVERY_CONCURRENCY)
        found: dict[discovery.GroupVersion, list[Resource]] = {}
        async with anyio.create_task_group() as group:
            for version in versions:
                group.start_soon(self._discover, version, found, limiter)
        return tuple(resource for version in versions for resource in found.get(version, ()))

    async def release(self) -> str:
        """The server's version of Kubernetes ("1.20"), asked once; empty where it does not say.

        Raises ClusterError and CredentialsError where the server fails as a whole.
        """
        if self._release is None:
            raw = await self._patience.get(partial(self._get, "/version"), tries=_DISCOVERY_TRIES)
            self._release = ""
            if isinstance(raw, Raw) and raw.status == 200:  # noqa: PLR2004 - OK
                self._release = discovery.release_of(raw.body)
        return self._release

    def _reply(self, raw: RawReply, *, whole: bool, managed: bool = False) -> Reply:
        if isinstance(raw, NoAnswer):
            return raw
        answer = decode_answer(raw, whole=whole, managed=managed)
        trouble = self._transport.credentials.trouble
        if answer.status == _UNAUTHORIZED and trouble:
            # Why there are no better credentials is what a person must know.
            return replace(answer, message=clean(f"{answer.message}; {trouble}"))
        return answer

    async def _discover(
        self,
        version: discovery.GroupVersion,
        found: dict[discovery.GroupVersion, list[Resource]],
        limiter: anyio.CapacityLimiter,
    ) -> None:
        async with limiter:
            try:
                body = await self._document(version.path)
            except SurroundingsError as error:
                self.unavailable[str(version)] = str(error)
                return
        resources = discovery.resources(body, version)
        if resources is None:
            self.unavailable[str(version)] = "the answer is no list of resources"
        else:
            found[version] = resources

    async def _document(self, path: str) -> bytes:
        raw = await self._patience.get(partial(self._get, path), tries=_DISCOVERY_TRIES)
        if isinstance(raw, Raw) and raw.status == 200:  # noqa: PLR2004 - OK
            return raw.body
        said = describe(raw if isinstance(raw, NoAnswer) else decode_answer(raw))
        raise ClusterError(
            f"{self._patience.where}: cannot read {path} ({said}); "
            "check the server's address, the network and your rights"
        )

    async def _get(self, path: str) -> RawReply:
        self.requests["get"] += 1
        return await self._transport.send(requests.DOCUMENT, self._urls.path(path))

    async def _list(
        self, resource: Resource, namespace: str | None, query: dict[str, str], *, whole: bool
    ) -> RawReply:
        self.requests["list"] += 1
        return await self._transport.send(
            requests.listing(whole=whole), self._urls.listing(resource, namespace, query)
        )


def _require_in_scope(page: Page, scope: Scope, what: str) -> None:
    """Refuse a list that shows what was not asked for: its other answers are not to be trusted."""
    problem = scope.problem_of_list(page.api_version, page.kind) or scope.problem_of(page.items)
    if problem:
        raise ClusterError(
            f"{what}: {problem}; nothing was sent; look at what stands between us and the server"
        )
