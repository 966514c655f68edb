"""A cluster with scripted answers, which records its requests."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from fleetpatch.model.answer import Reply
from fleetpatch.model.change import PatchOptions, PatchRequest, PatchType
from fleetpatch.model.ports import Clock, Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target

from .samples import JOBS


@dataclass(frozen=True, slots=True)
class Call:
    """One request for one target, at the time `at`.

    `body` is the decoded PATCH, `type` its patch type, and `options` its query parameters.
    """

    verb: str
    target: Target
    at: float
    body: Any = None
    dry_run: bool = False
    type: PatchType | None = None
    options: PatchOptions | None = None

    @property
    def version(self) -> str | None:
        """The resourceVersion that guards a PATCH."""
        metadata: Mapping[str, str] = self.body["metadata"]
        return metadata.get("resourceVersion")

    @property
    def labels(self) -> Mapping[str, str | None]:
        """The labels that a PATCH sets."""
        labels: Mapping[str, str | None] = self.body["metadata"]["labels"]
        return labels


Answerer: TypeAlias = Callable[[Call], Reply]


def in_turn(*replies: Reply) -> Answerer:
    """Answer with these, in this order; a further request fails the test."""
    left = list(replies)

    def answer(call: Call) -> Reply:
        assert left, f"unexpected {call.verb} number {len(replies) + 1}"
        return left.pop(0)

    return answer


def always(reply: Reply) -> Answerer:
    """Answer every request with this reply."""
    return lambda _call: reply


@dataclass
class FakeCluster:
    """Implements ListedCluster and PatchedCluster. Without answerers, requests fail the test.

    Each request takes `latency` seconds. `renews` is the result of `renew`. `listing` maps a
    selector to its pages; an exception among them is raised in its place.
    """

    clock: Clock
    patches: Answerer = field(default_factory=in_turn)
    reads: Answerer = field(default_factory=in_turn)
    latency: float = 0.0
    renews: bool = True
    listing: Mapping[str, Sequence[Page | Exception]] = field(default_factory=dict)
    name: str = "prod-a"
    server: str = "https://prod-a.example.com"
    calls: list[Call] = field(default_factory=list)
    renewals: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def verbs(self) -> list[str]:
        """The verbs of all requests, in their order."""
        return [call.verb for call in self.calls]

    @property
    def patched(self) -> list[Call]:
        """All PATCHes, in their order."""
        return [call for call in self.calls if call.verb == "PATCH"]

    async def resources(self) -> Sequence[Resource]:
        return [JOBS]

    async def namespaces(self) -> Sequence[str]:
        return ["team-a"]

    async def pages(
        self,
        resource: Resource,  # noqa: ARG002 - the port has it
        *,
        namespace: str | None,  # noqa: ARG002 - the port has it
        selector: str,
        field_selector: str,  # noqa: ARG002 - the port has it
        whole: bool,  # noqa: ARG002 - the port has it
        metadata: bool = False,  # noqa: ARG002 - the port has it
        managed: bool = False,  # noqa: ARG002 - the port has it
    ) -> AsyncIterator[Page]:
        for page in self.listing[selector]:
            await self.clock.sleep(self.latency)
            if isinstance(page, Exception):
                raise page
            yield page

    async def get(self, target: Target, *, whole: bool) -> Reply:  # noqa: ARG002 - the port has it
        return await self._answer(Call("GET", target, self.clock.monotonic()), self.reads)

    async def patch(
        self,
        target: Target,
        request: PatchRequest,
        *,
        whole: bool,  # noqa: ARG002 - the port has it
        dry_run: bool,
    ) -> Reply:
        document = msgspec.json.decode(request.body)
        call = Call(
            "PATCH",
            target,
            self.clock.monotonic(),
            document,
            dry_run,
            request.type,
            request.options,
        )
        return await self._answer(call, self.patches)

    async def renew(self) -> bool:
        self.renewals += 1
        return self.renews

    async def _answer(self, call: Call, answerer: Answerer) -> Reply:
        self.calls.append(call)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.latency:
                await self.clock.sleep(self.latency)
            return answerer(call)
        finally:
            self.in_flight -= 1
