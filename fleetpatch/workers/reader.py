"""Reads clusters on a worker, while a plan is expanded or an undo is planned.

The coordinator asks for one page after another. While it writes a page, the next one is requested.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import anyio
import anyio.abc
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec.structs import replace

from fleetpatch.errors import FleetpatchError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.model.ports import Page
from fleetpatch.model.target import Target, TargetId
from fleetpatch.workers.messages import (
    Ask,
    Current,
    Merging,
    Namespaces,
    NextPage,
    Resources,
    Told,
)

Open = Callable[[str], AbstractAsyncContextManager[ApiServer]]
"""Opens the cluster with this name."""

_encode = msgspec.json.Encoder().encode


class Reader:
    """Answers the questions about clusters, each opened once; to be used in `async with`."""

    def __init__(self, open_cluster: Open, tasks: anyio.abc.TaskGroup) -> None:
        self._open, self._tasks = open_cluster, tasks
        self._stack = AsyncExitStack()
        self._servers: dict[str, ApiServer] = {}
        self._opening = anyio.Lock()
        self._lists: dict[int, _List] = {}
        self._counted: dict[str, tuple[Counter[str], Counter[str]]] = {}

    async def close(self) -> None:
        """Close all lists and clusters."""
        for listed in self._lists.values():
            listed.close()
        await self._stack.aclose()

    async def answer(self, ask: Ask) -> Told:
        """Answer one question; an error of a cluster is part of the answer."""
        try:
            server = await self._server(ask.cluster)
            told = await self._answer(server, ask)
        except FleetpatchError as error:
            told = Told(ask.number, error=(type(error).__name__, str(error)))
        requests, warnings = self._new_counts(ask.cluster)
        return replace(told, requests=requests, warnings=warnings)

    async def _server(self, name: str) -> ApiServer:
        async with self._opening:
            if name not in self._servers:
                self._servers[name] = await self._stack.enter_async_context(self._open(name))
        return self._servers[name]

    async def _answer(self, server: ApiServer, ask: Ask) -> Told:
        number = ask.number
        match ask.question:
            case Resources(groups=groups):
                found = await server.resources(groups)
                return Told(number, _encode((found, server.unavailable)))
            case Namespaces(objects=True):
                return Told(number, _encode(await server.namespace_objects()))
            case Namespaces():
                return Told(number, _encode(await server.namespaces()))
            case Merging(kinds=kinds):
                return Told(number, _encode(await server.merging(kinds)))
            case NextPage() as wanted:
                listed = self._lists.get(wanted.list) or self._begin_list(server, wanted)
                body = await listed.page(wanted.page)
                return Told(number, body, is_first=listed.pages == 1)
            case Current() as wanted:
                return Told(number, await _current(server, wanted))

    def _begin_list(self, server: ApiServer, wanted: NextPage) -> "_List":
        # Unbuffered: one page is sent while the next one waits, and no third is requested.
        listed, pages = anyio.create_memory_object_stream[Page | FleetpatchError]()
        found = server.pages(
            wanted.resource,
            namespace=wanted.namespace,
            selector=wanted.selector,
            field_selector=wanted.field_selector,
            whole=wanted.whole,
            metadata=wanted.metadata,
            managed=wanted.managed,
        )
        self._tasks.start_soon(_list, found, listed)
        begun = self._lists[wanted.list] = _List(pages)
        return begun

    def _new_counts(self, cluster: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        server = self._servers.get(cluster)
        if server is None:
            return {}, {}
        before = self._counted.get(cluster, (Counter(), Counter()))
        now = Counter(server.requests), Counter(server.warnings.counts)
        self._counted[cluster] = now
        return now[0] - before[0], now[1] - before[1]


class _List:
    """The pages of one list; `pages` is the number of those that were asked for."""

    def __init__(self, found: MemoryObjectReceiveStream[Page | FleetpatchError]) -> None:
        self.pages = 0
        self._found = found
        self._asked = -1
        self._last: bytes | FleetpatchError = b""
        # A page is asked for again after a new connection, even if it is still awaited.
        self._receiving = anyio.Lock()

    async def page(self, number: int) -> bytes:
        """Return the next page, or the last one again. Raises the error that ended the list."""
        async with self._receiving:
            if number != self._asked:
                await self._next(number)
        if isinstance(self._last, FleetpatchError):
            raise self._last
        return self._last

    def close(self) -> None:
        """Take no more pages."""
        self._found.close()

    async def _next(self, number: int) -> None:
        try:
            page = await self._found.receive()
        except anyio.EndOfStream:
            page = None
        if page is None or isinstance(page, FleetpatchError):
            self.close()
        self.pages += 1
        self._asked = number
        self._last = page if isinstance(page, FleetpatchError) else _encode(page)


async def _list(
    found: AsyncIterator[Page], listed: MemoryObjectSendStream[Page | FleetpatchError]
) -> None:
    async with listed:
        try:
            try:
                async for page in found:
                    await listed.send(page)
            except FleetpatchError as error:
                await listed.send(error)
        except anyio.BrokenResourceError:
            return  # no more pages are wanted


async def _current(server: ApiServer, wanted: Current) -> bytes:
    target = Target(
        TargetId(0),
        server.name,
        wanted.resource,
        wanted.namespace,
        wanted.name,
        wanted.uid,
        resource_version="",
        before={},
    )
    reply = await server.current(target, whole=wanted.whole)
    if isinstance(reply, NoAnswer):
        return _encode((None, reply))
    # Secrets do not leave the worker.
    return _encode((_without_secrets(reply), None))


def _without_secrets(answer: Answer) -> Answer:
    return replace(answer, unmasked="", secrets=())
