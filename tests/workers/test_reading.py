"""A list that workers read for a plan: no page is lost, whatever happens to connection and worker.

Both ends of the questions are real, and the API server is a fake. Covered: a question that is sent
again, an error that is asked for again, another worker that begins the list again, an error that
ends the membership. Left out: plans (test_planning.py), and connections (test_coordinator.py,
test_worker_side.py).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Self, cast

import anyio
import anyio.abc
import pytest

from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import ClusterError, UnreachableError
from fleetpatch.evaluation.evaluator import Evaluator
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.fields import ABSENT, Fields, label
from fleetpatch.model.ports import Evaluated, Page, Subject
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from fleetpatch.workers.agent import Membership
from fleetpatch.workers.channel import Channel
from fleetpatch.workers.messages import FoundCluster, Hello
from fleetpatch.workers.pool import DaskWorkers
from fleetpatch.workers.questions import Ask, NextPage, Question, ReadResult
from fleetpatch.workers.reader import Reader
from fleetpatch.workers.remote_cluster import RemoteCluster
from tests.fakes.clock import VirtualClock
from tests.report_runs import a_plan, an_info

JOBS = Resource("batch", "v1", "jobs", "Job")
NAMES = ("a", "b", "c")


class ListedServer:
    """An API server whose list has a page for each name, and then fails if `error` is set.

    If it `waits`, each page is served when the test allows it.
    """

    def __init__(self, error: ClusterError | None = None, *, waits: bool = False) -> None:
        self.name = "north"
        self.requests = {"list": 0}
        self.warnings = ServerWarnings()
        self.is_asked = anyio.Event()
        self._error = error
        self._allowed = anyio.Semaphore(0)
        self._waits = waits

    def allow(self, pages: int) -> None:
        for _ in range(pages):
            self._allowed.release()

    async def pages(self, _resource: Resource, **_options: Any) -> AsyncIterator[Page]:
        for name in NAMES:
            self.requests["list"] += 1
            self.is_asked.set()
            if self._waits:
                await self._allowed.acquire()
            metadata = {"name": name, "labels": {"big": "x" * 100}}
            yield Page([Seen("team", name, f"uid-{name}", "1", metadata=metadata)])
        if self._error is not None:
            raise self._error


class SecondAlone:
    """Evaluates as if `where` selected the object b alone; implements what a reader uses."""

    def __init__(self) -> None:
        self.values: Fields = {label("was"): "b", label("team"): ABSENT}

    async def evaluate(
        self, _cluster: str, _block: int, subjects: Sequence[Subject]
    ) -> list[Evaluated]:
        return [
            Evaluated(values=self.values)
            if one.object["metadata"]["name"] == "b"
            else Evaluated(matches=False)
            for one in subjects
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@asynccontextmanager
async def reading(server: ListedServer) -> AsyncIterator[Reader]:
    """A worker that reads this server."""

    @asynccontextmanager
    async def opened(_name: str) -> AsyncIterator[ApiServer]:
        yield cast("ApiServer", server)

    async with anyio.create_task_group() as tasks:
        reader = Reader(opened, lambda _spaces: cast("Evaluator", SecondAlone()), tasks)
        yield reader
        await reader.close()
        tasks.cancel_scope.cancel()


def asking(page: int, number: int = 1) -> Ask:
    question = NextPage(1, page, JOBS, None, "", "", whole=False, metadata=False)
    return Ask(number, "north", question)


def names_of(result: ReadResult) -> bytes:
    return result.body.partition(b'"name":"')[2][:1]


async def listed(cluster: RemoteCluster) -> list[tuple[str, bool]]:
    pages = cluster.pages(JOBS, namespace=None, selector="", field_selector="")
    return [(seen.name, page.inconsistent) async for page in pages for seen in page.items]


async def test_a_question_that_is_sent_again_while_it_is_answered_takes_no_further_page() -> None:
    server = ListedServer(waits=True)
    results: list[ReadResult] = []
    async with reading(server) as reader:

        async def answer(ask: Ask) -> None:
            results.append(await reader.answer(ask))

        async with anyio.create_task_group() as tasks:
            # As after a connection that was cut: the first one still waits for the API server.
            tasks.start_soon(answer, asking(0))
            tasks.start_soon(answer, asking(0))
            await server.is_asked.wait()
            server.allow(len(NAMES))
        again = [await reader.answer(asking(page, page + 1)) for page in (1, 1, 2)]

    assert [names_of(one) for one in results] == [b"a", b"a"]
    assert [names_of(one) for one in again] == [b"b", b"b", b"c"]


async def test_an_error_that_ends_a_list_is_the_answer_again() -> None:
    async with reading(ListedServer(ClusterError("the list expired"))) as reader:
        for page in range(len(NAMES)):
            await reader.answer(asking(page))
        last = [await reader.answer(asking(len(NAMES))) for _ in range(2)]

    assert [one.error for one in last] == [("ClusterError", "the list expired")] * 2


async def test_a_list_that_another_worker_begins_again_is_complete_and_inconsistent() -> None:
    """The worker is lost after the first page."""
    numbers = count(1)
    async with reading(ListedServer()) as first, reading(ListedServer()) as second:

        async def ask(_cluster: str, question: Question) -> ReadResult:
            number = next(numbers)
            return await (first if number == 1 else second).answer(Ask(number, "north", question))

        found = await listed(RemoteCluster(FoundCluster("north"), ask))

    assert found == [("a", False), ("a", True), ("b", False), ("c", False)]


async def test_an_error_of_a_list_is_raised_as_it_was_on_the_worker() -> None:
    async with reading(ListedServer(ClusterError("the list expired"))) as reader:
        numbers = count(1)

        async def ask(_cluster: str, question: Question) -> ReadResult:
            return await reader.answer(Ask(next(numbers), "north", question))

        cluster = RemoteCluster(FoundCluster("north"), ask)
        with pytest.raises(ClusterError, match="the list expired"):
            await listed(cluster)

    assert cluster.requests["list"] == len(NAMES)


@pytest.mark.parametrize("complete", [True, False])
async def test_pages_come_with_the_objects_that_match_and_their_values_alone(
    complete: bool,
) -> None:
    async with reading(ListedServer()) as reader:
        numbers = count()

        async def ask(cluster: str, question: Question) -> ReadResult:
            return await reader.answer(Ask(next(numbers), cluster, question))

        cluster = RemoteCluster(FoundCluster("north"), ask).evaluating(0, complete=complete)
        pages = [
            page
            async for page in cluster.pages(JOBS, namespace=None, selector="", field_selector="")
        ]

    assert [len(page.items) for page in pages] == [0, 1, 0]
    (item,) = pages[1].items
    assert (item.name, item.metadata is not None) == ("b", complete)
    assert pages[1].evaluated == [Evaluated(values=SecondAlone().values)]


async def test_objects_that_are_known_at_home_are_evaluated_by_the_worker_of_their_cluster() -> (
    None
):
    async with reading(ListedServer()) as reader:

        async def ask(cluster: str, question: Question) -> ReadResult:
            return await reader.answer(Ask(1, cluster, question))

        cluster = RemoteCluster(FoundCluster("north"), ask)
        subjects = [Subject("team", {"metadata": {"name": name}}) for name in ("a", "b")]
        results = await cluster.evaluate(0, subjects)

    assert [one.matches for one in results] == [False, True]


async def test_workers_that_are_lost_before_they_take_part_are_an_error_with_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cause = Cause(CauseCode.WORKERS_LOST, "there was no worker for 60 s")

    @asynccontextmanager
    async def stopped(*words: Any) -> AsyncIterator[bool]:
        words[-1].request(cause)
        yield False

    pool = DaskWorkers(1, 15.0)
    monkeypatch.setattr(pool, "_serving", stopped)

    with pytest.raises(UnreachableError, match=r"no worker for 60 s; nothing was sent"):
        async with pool.reading(an_info(a_plan()), Settings()):
            pytest.fail("there are no workers to read with")


async def test_an_error_of_a_membership_closes_the_clusters_that_it_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[str] = []

    async def broken() -> Channel:
        raise RuntimeError("broken")

    async with reading(ListedServer()) as reader:
        membership = Membership(broken, Hello("s", "m", "w", "n"), VirtualClock())
        monkeypatch.setattr(membership, "_reader", reader)
        reader._stack.callback(closed.append, "north")

        with pytest.raises(ExceptionGroup):
            await membership.run()

        assert closed == ["north"]
