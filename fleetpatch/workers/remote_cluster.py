"""A cluster that workers read, as planning uses it."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from copy import copy
from itertools import count
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from fleetpatch.errors import (
    ClusterError,
    CredentialsError,
    FleetpatchError,
    KubeconfigError,
    Refused,
    SurroundingsError,
    UnreachableError,
    UsageError,
)
from fleetpatch.journal.rows import UNREADABLE
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.model.answer import Answer, NoAnswer, Reply, add_warnings
from fleetpatch.model.fields import Json
from fleetpatch.model.ports import Evaluated, Page, Subject
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from fleetpatch.rules.patching.merging import ServerMerging
from fleetpatch.workers.messages import FoundCluster
from fleetpatch.workers.questions import (
    Evaluate,
    GetObject,
    Merging,
    Namespaces,
    NextPage,
    Question,
    ReadResult,
    Resources,
    WireEvaluated,
    WirePage,
)
from fleetpatch.workers.wire import evaluated_of, page_of

Asker: TypeAlias = Callable[[str, Question], Awaitable[ReadResult]]
"""Asks a worker about the cluster with this name."""

_ERRORS: Final[Mapping[str, type[FleetpatchError]]] = {
    one.__name__: one
    for one in (
        UsageError,
        Refused,
        SurroundingsError,
        KubeconfigError,
        CredentialsError,
        UnreachableError,
    )
}
"""The errors of a read that are made of a text alone; any other is a ClusterError."""

_numbers: Final = count(1)
"""Numbers of lists."""


class RemoteCluster:
    """Implements `campaign.clusters.ReadCluster`; `ApiServer` documents attributes and methods.

    Implements `EvaluatingCluster`, too: `block` and `complete` are those of `evaluating`.
    """

    def __init__(self, found: FoundCluster, ask: Asker) -> None:
        self.name, self.server = found.name, found.server
        self.context, self.route = found.context, found.route
        self.insecure, self.kubeconfig_warnings = found.insecure, found.warnings
        self.requests = {"patch": 0, "get": 0, "list": 0}
        self.warnings = ServerWarnings()
        self.unavailable: dict[str, str] = {}
        self._ask = ask
        self.block: int | None = None
        self.complete = True

    async def resources(self, groups: Collection[str] | None = None) -> Sequence[Resource]:
        """Discover what can be listed and patched."""
        question = Resources(None if groups is None else tuple(groups))
        body = await self._told(question)
        with self._decoding():
            found, self.unavailable = msgspec.json.decode(
                body, type=tuple[tuple[Resource, ...], dict[str, str]]
            )
        return found

    async def namespaces(self) -> Sequence[str]:
        """Return the names of all namespaces, sorted."""
        body = await self._told(Namespaces(objects=False))
        with self._decoding():
            return msgspec.json.decode(body, type=list[str])

    async def namespace_objects(self) -> Mapping[str, Json]:
        """Return all namespaces by name."""
        body = await self._told(Namespaces(objects=True))
        with self._decoding():
            return msgspec.json.decode(body, type=dict[str, Any])

    async def merging(self, kinds: Sequence[Resource] = ()) -> ServerMerging:
        """Return what is known of how the server merges `kinds`."""
        body = await self._told(Merging(tuple(kinds)))
        with self._decoding():
            return msgspec.json.decode(body, type=ServerMerging)

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
        """List page by page. A list that another worker begins again is inconsistent."""
        number = next(_numbers)
        for asked in count():
            question = NextPage(
                number,
                asked,
                resource,
                namespace,
                selector,
                field_selector,
                whole,
                metadata,
                managed,
                self.block,
                self.complete,
            )
            result = self._require(await self._ask(self.name, question))
            with self._decoding():
                wired = msgspec.json.decode(result.body, type=WirePage | None)
                page = None if wired is None else page_of(wired)
            if page is None:
                return
            is_again = result.is_first and asked > 0
            yield replace(page, inconsistent=True) if is_again else page

    def evaluating(self, block: int, *, complete: bool) -> "RemoteCluster":
        """Return the cluster with pages that its worker has evaluated for a block."""
        other = copy(self)
        other.block, other.complete = block, complete
        return other

    async def evaluate(self, block: int, subjects: Sequence[Subject]) -> Sequence[Evaluated]:
        """Let the worker evaluate expressions for objects."""
        body = await self._told(Evaluate(block, msgspec.json.encode(subjects)))
        with self._decoding():
            found = msgspec.json.decode(body, type=list[WireEvaluated])
            return [evaluated_of(one) for one in found]

    async def get_with_retries(self, target: Target, *, whole: bool = False) -> Reply:
        """GET the object."""
        question = GetObject(target.resource, target.namespace, target.name, target.uid, whole)
        body = await self._told(question)
        with self._decoding():
            answer, no_answer = msgspec.json.decode(
                body, type=tuple[Answer | None, NoAnswer | None]
            )
        if answer is not None:
            return answer
        if no_answer is None:
            raise ClusterError(f"cluster {self.name}: a worker answered with nothing")
        return no_answer

    async def _told(self, question: Question) -> bytes:
        return self._require(await self._ask(self.name, question)).body

    def _require(self, result: ReadResult) -> ReadResult:
        """Count what the worker has sent. Raises the error of the cluster, if it has one."""
        for verb, number in result.requests.items():
            self.requests[verb] = self.requests.get(verb, 0) + number
        self.warnings.counts = add_warnings(self.warnings.counts, result.warnings)
        if result.error is None:
            return result
        name, text = result.error
        raise _ERRORS.get(name, ClusterError)(text)

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Convert what decoding an answer in the block raises to ClusterError."""
        try:
            yield
        except UNREADABLE as error:
            raise ClusterError(
                f"cluster {self.name}: the answer of a worker cannot be read; look at the log of"
                " the worker"
            ) from error
