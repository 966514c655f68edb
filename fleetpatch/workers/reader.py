"""Reads clusters on a worker, while a plan is expanded or an undo is planned.

The coordinator asks for one page after another. While it writes a page, the next one is requested.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.abc
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec.structs import replace

from fleetpatch.campaign.expressions import NamespaceObjects
from fleetpatch.errors import FleetpatchError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model import ports
from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.model.fields import Json
from fleetpatch.model.ports import Expressions, Page, Subject
from fleetpatch.model.target import Seen, Target, TargetId
from fleetpatch.rules.planning.computed import is_found, subject_of
from fleetpatch.workers.questions import (
    Ask,
    Evaluate,
    GetObject,
    Merging,
    Namespaces,
    NextPage,
    ReadResult,
    Resources,
)
from fleetpatch.workers.wire import wire_evaluated, wire_page

if TYPE_CHECKING:
    from fleetpatch.evaluation.evaluator import Evaluator

Open = Callable[[str], AbstractAsyncContextManager[ApiServer]]
"""Opens the cluster with this name."""

NewEvaluator: TypeAlias = Callable[[ports.Namespaces], "Evaluator"]
"""Makes what evaluates the expressions of the plan. Raises UsageError."""

_encode = msgspec.json.Encoder().encode


class Reader:
    """Answers the questions about clusters, each opened once, until `close`."""

    def __init__(
        self, open_cluster: Open, new_evaluator: NewEvaluator, tasks: anyio.abc.TaskGroup
    ) -> None:
        self._open, self._new_evaluator, self._tasks = open_cluster, new_evaluator, tasks
        self._evaluator: Evaluator | None = None
        self._starting = anyio.Lock()
        self._spaces: dict[str, NamespaceObjects] = {}
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

    async def answer(self, ask: Ask) -> ReadResult:
        """Answer one question; an error of a cluster is part of the answer."""
        try:
            server = await self._server(ask.cluster)
            result = await self._answer(server, ask)
        except FleetpatchError as error:
            result = ReadResult(ask.number, error=(type(error).__name__, str(error)))
        requests, warnings = self._new_counts(ask.cluster)
        return replace(result, requests=requests, warnings=warnings)

    async def namespace_object(self, cluster: str, namespace: str) -> Json:
        """Return a namespace as expressions see it; implements the port `Namespaces`."""
        if cluster not in self._spaces:
            self._spaces[cluster] = NamespaceObjects([await self._server(cluster)])
        return await self._spaces[cluster].namespace_object(cluster, namespace)

    async def _expressions(self) -> "Evaluator":
        """Return what evaluates: one for all clusters, since it is a process with the tables."""
        async with self._starting:
            if self._evaluator is None:
                made = self._new_evaluator(self)
                self._evaluator = await self._stack.enter_async_context(made)
        return self._evaluator

    async def _server(self, name: str) -> ApiServer:
        async with self._opening:
            if name not in self._servers:
                self._servers[name] = await self._stack.enter_async_context(self._open(name))
        return self._servers[name]

    async def _answer(self, server: ApiServer, ask: Ask) -> ReadResult:
        number = ask.number
        match ask.question:
            case Resources(groups=groups):
                found = await server.resources(groups)
                return ReadResult(number, _encode((found, server.unavailable)))
            case Namespaces(objects=True):
                return ReadResult(number, _encode(await server.namespace_objects()))
            case Namespaces():
                return ReadResult(number, _encode(await server.namespaces()))
            case Merging(kinds=kinds):
                return ReadResult(number, _encode(await server.merging(kinds)))
            case NextPage() as wanted:
                evaluator = None if wanted.block is None else await self._expressions()
                listed = self._lists.get(wanted.list)
                listed = listed or self._begin_list(server, wanted, evaluator)
                body = await listed.page(wanted.page)
                return ReadResult(number, body, is_first=listed.pages == 1)
            case Evaluate(block=block, subjects=body):
                subjects = msgspec.json.decode(body, type=list[Subject])
                evaluator = await self._expressions()
                results = await evaluator.evaluate(server.name, block, subjects)
                return ReadResult(number, _encode([wire_evaluated(one) for one in results]))
            case GetObject() as wanted:
                return ReadResult(number, await _get_object(server, wanted))

    def _begin_list(
        self, server: ApiServer, wanted: NextPage, evaluator: "Evaluator | None"
    ) -> "_List":
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
        if evaluator is not None and wanted.block is not None:
            found = _evaluated(found, evaluator, server.name, wanted, wanted.block)
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
        if isinstance(page, FleetpatchError):
            self._last = page
        else:
            self._last = _encode(page and wire_page(page))


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


async def _evaluated(
    found: AsyncIterator[Page], evaluator: Expressions, cluster: str, wanted: NextPage, block: int
) -> AsyncIterator[Page]:
    """Yield the pages with the objects that the block selects, and what expressions yield."""
    async for page in found:
        subjects = [subject_of(wanted.resource, seen) for seen in page.items]
        results = await evaluator.evaluate(cluster, block, subjects)
        pairs = [one for one in zip(page.items, results, strict=True) if is_found(one[1])]
        items = [seen if wanted.complete else _without_read(seen) for seen, _ in pairs]
        yield replace(page, items=items, evaluated=[result for _, result in pairs])


def _without_read(seen: Seen) -> Seen:
    """Return an object without what only expressions read."""
    # Which fields of an object can be read, if not all of them, shows only the whole of it.
    return seen if seen.unreadable else replace(seen, whole=None, metadata=None)


async def _get_object(server: ApiServer, wanted: GetObject) -> bytes:
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
    reply = await server.get_with_retries(target, whole=wanted.whole)
    if isinstance(reply, NoAnswer):
        return _encode((None, reply))
    # Secrets do not leave the worker.
    return _encode((_without_secrets(reply), None))


def _without_secrets(answer: Answer) -> Answer:
    return replace(answer, unmasked="", secrets=())
