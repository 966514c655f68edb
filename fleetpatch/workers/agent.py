"""The part of a session that runs on a worker: follows orders, runs shards and reports.

It runs in a thread of the Dask worker, with an event loop of its own, so that it shares nothing
with Dask but the process. It ends with the session, or when its coordinator cannot be reached.
"""

import secrets
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc
from msgspec.structs import replace

from fleetpatch.campaign.expressions import new_evaluator, problem_of_runtime
from fleetpatch.campaign.fleet import open_one, reopen_fleet
from fleetpatch.campaign.running.lanes import RunOrder
from fleetpatch.campaign.running.recheck import needs_recheck
from fleetpatch.campaign.settings import Settings, Stop
from fleetpatch.campaign.tables import decoded
from fleetpatch.engine.events import SilentEvents
from fleetpatch.errors import FleetpatchError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.plan.digest import restore
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Clock, Namespaces
from fleetpatch.model.run import RunInfo
from fleetpatch.workers.connection import Connect, Connection
from fleetpatch.workers.messages import (
    REPORT_INTERVAL,
    Checked,
    Epoch,
    FoundCluster,
    Hello,
    Order,
    Orders,
    Welcome,
    Work,
    digest_of_tables,
)
from fleetpatch.workers.questions import Ask
from fleetpatch.workers.reader import Reader
from fleetpatch.workers.remote_journal import RemoteJournal
from fleetpatch.workers.send_deadline import SendDeadline
from fleetpatch.workers.shard import Shard

if TYPE_CHECKING:
    from fleetpatch.evaluation.evaluator import Evaluator

_GATHER: Final = 0.4
"""Seconds in which news are gathered for one report, unless they are urgent: a report costs the
coordinator as much as a hundred outcomes, and it has the reports of all workers."""


async def serve(connect: Connect, session: str, worker: str, name: str, clock: Clock) -> None:
    """Take part in a session until it is over.

    After a dismissal for silence the worker begins again, as another member.
    """
    while True:
        hello = Hello(session, secrets.token_hex(8), worker, name)
        if await Membership(connect, hello, clock).run():
            return


class Membership:
    """One membership of a worker in a session."""

    def __init__(self, connect: Connect, hello: Hello, clock: Clock) -> None:
        self._clock = clock
        self._deadline = SendDeadline(clock, self._interrupt)
        self._connection = Connection(connect, hello, self._deadline, clock, self._take)
        self._work: Work | None = None
        self._run_order: RunOrder | None = None
        self._shards: dict[Epoch, tuple[Shard, anyio.CancelScope]] = {}
        self._news, self._urgent = anyio.Event(), anyio.Event()
        self._reader: Reader | None = None
        self._tasks: anyio.abc.TaskGroup | None = None

    async def run(self) -> bool:
        """Follow orders until the session is over; see `Connection.run` for the result."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self._report)
                is_over = await self._connection.run()
                tasks.cancel_scope.cancel()
        finally:
            # The process of a Dask worker outlives an error here, so clusters must be closed.
            if self._reader is not None:
                with anyio.CancelScope(shield=True):
                    await self._reader.close()
        return is_over

    def _take(self, message: Welcome | Orders | Ask) -> None:
        if isinstance(message, Orders):
            self._follow(message)
        elif isinstance(message, Ask):
            if self._reader is not None and self._tasks is not None:
                self._tasks.start_soon(self._answer, self._reader, message)
        elif self._work is None and self._tasks is not None:
            self._work = message.work
            self._tasks.start_soon(self._check, message.work)

    async def _answer(self, reader: Reader, ask: Ask) -> None:
        await self._connection.send_result(await reader.answer(ask))

    async def _check(self, work: Work) -> None:
        """Open each cluster as a shard would, and say what is missing. Sends only log-ins."""
        plan = restore(work.info.plan)
        self._run_order = RunOrder(
            info=work.info,
            plan=plan,
            merging=work.merging,
            tables=work.tables,
            read_only=work.read_only,
            others_send=0.0,
            request_timeout=work.request_timeout,
            journal=RemoteJournal(0, self._connection.call, self._clock),
            clock=self._clock,
            log=SilentEvents(),
            stop=Stop(),
            warn=ignore,  # the coordinator has the warnings from the check
        )
        settings = Settings(request_timeout=work.request_timeout, clock=self._clock)
        if self._tasks is not None:
            self._reader = Reader(
                partial(_opened, work.info, plan, settings),
                partial(_new_evaluator, work, plan),
                self._tasks,
            )
        known = [cluster.name for cluster in work.info.clusters if not cluster.missing]
        # A plan without a fleet means the current context.
        names = known or [ref.name for ref in plan.fleet] or [""]
        missing = _problem_of_expressions(work, plan, is_planned=bool(known))
        found = [
            FoundCluster(name, missing)
            if missing
            else await _found(name, work.info, plan, settings)
            for name in names
        ]
        await self._connection.checked(Checked(tuple(found)))

    def _follow(self, orders: Orders) -> None:
        ordered = {order.epoch: order for order in orders.shards}
        for epoch in [one for one in self._shards if one not in ordered]:
            _, scope = self._shards.pop(epoch)
            scope.cancel()
        for epoch, order in ordered.items():
            if epoch in self._shards:
                self._shards[epoch][0].follow(order)
            # If it may not send, the lane would end at once.
            elif self._deadline.may_send():
                self._begin(order)

    def _begin(self, order: Order) -> None:
        if self._run_order is None or self._tasks is None:
            return
        journal = RemoteJournal(order.epoch, self._connection.call, self._clock)
        run = replace(self._run_order, journal=journal)
        shard, scope = Shard(order, run, self._deadline, self._note_news), anyio.CancelScope()
        self._shards[order.epoch] = shard, scope
        self._tasks.start_soon(self._run_shard, shard, scope)

    async def _run_shard(self, shard: Shard, scope: anyio.CancelScope) -> None:
        with scope:
            await shard.run()

    def _interrupt(self) -> None:
        """It may not send any more: all shards end, to be continued when they are given again."""
        for shard, _ in self._shards.values():
            shard.interrupt()

    def _note_news(self, urgent: bool) -> None:
        self._news.set()
        if urgent:
            self._urgent.set()

    async def _report(self) -> None:
        while True:
            self._news, self._urgent = anyio.Event(), anyio.Event()
            await self._connection.report(tuple(one.report() for one, _ in self._shards.values()))
            with anyio.move_on_after(_GATHER):
                await self._urgent.wait()
            with anyio.move_on_after(REPORT_INTERVAL):
                await self._news.wait()


def _problem_of_expressions(work: Work, plan: Plan, *, is_planned: bool) -> str:
    """Say why expressions cannot be evaluated here; '' if they can, or need not be."""
    needed = needs_recheck(work.info, plan) if is_planned else plan.has_expressions
    if needed and (missing := problem_of_runtime()):
        return f"the plan has expressions; {missing}"
    if work.tables and digest_of_tables(work.tables) != work.tables_digest:
        return "the tables of the plan did not arrive as they were sent; try again"
    return ""


def _new_evaluator(work: Work, plan: Plan, namespaces: Namespaces) -> "Evaluator":
    return new_evaluator(plan, decoded(work.tables), work.info.created_at, namespaces)


def _opened(
    info: RunInfo, plan: Plan, settings: Settings, name: str
) -> AbstractAsyncContextManager[ApiServer]:
    return open_one(name or None, plan, settings, info.run)


async def _found(name: str, info: RunInfo, plan: Plan, settings: Settings) -> FoundCluster:
    """Open a cluster as a shard would, and describe it, or what is missing. Sends only log-ins."""
    try:
        async with AsyncExitStack() as stack:
            if info.clusters:
                # It must be the server that the run was planned on.
                opening = reopen_fleet(info, plan, settings, {name})
                (server, *_), _ = await stack.enter_async_context(opening)
            else:
                server = await stack.enter_async_context(_opened(info, plan, settings, name))
            return FoundCluster(
                server.name,
                server=server.server,
                context=server.context,
                route=server.route,
                insecure=server.insecure,
                warnings=tuple(server.kubeconfig_warnings),
            )
    except FleetpatchError as error:
        return FoundCluster(name, str(error))
