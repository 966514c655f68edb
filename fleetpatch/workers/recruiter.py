"""Starts a session's part on the workers of a Dask cluster."""

from collections.abc import Mapping, Sequence
from typing import Final

import anyio

from fleetpatch.engine import events
from fleetpatch.errors import UnreachableError, UsageError
from fleetpatch.model.ports import Clock, Events
from fleetpatch.workers.coordinator import NO_WORKER, WITHOUT_WORKERS, Coordinator
from fleetpatch.workers.dask import DaskCluster
from fleetpatch.workers.start import start_agent, versions

_POLL_INTERVAL: Final = 1.0
"""Seconds between two looks for workers while there are none."""

_WATCH_INTERVAL: Final = 2.0
"""Seconds between two looks for new workers; a look costs as much as hundreds of targets."""


class Recruiter:
    """Starts the part of a session on each worker of a Dask cluster, those that come later too."""

    def __init__(
        self,
        cluster: DaskCluster,
        coordinator: Coordinator,
        clock: Clock,
        log: Events,
        address: str,
    ) -> None:
        self._cluster, self._coordinator = cluster, coordinator
        self._clock, self._log, self._address = clock, log, address
        self._started: set[str] = set()
        self._refused: set[str] = set()
        self._joined: set[str] = set()

    async def recruit_first(self) -> None:
        """Start all workers that there are, and require that each can do all of the work.

        One that does not answer takes part as soon as it does. Raises UnreachableError if there
        are none, or if one cannot connect to this process, and UsageError.
        """
        found: Mapping[str, str] = {}
        with anyio.move_on_after(WITHOUT_WORKERS):
            while not (found := await self._cluster.workers()):
                await self._clock.sleep(_POLL_INTERVAL)
            if problems := await self._start(found):
                raise UsageError(f"{'; '.join(problems)}; nothing was sent")
            while self._awaited:
                await self._coordinator.looked()
            if self._unfit:
                raise UsageError(
                    f"{'; '.join(self._problems())}; nothing was sent: workers read their own"
                    " kubeconfig, files and variables"
                )
            if self._started:
                self._note_joined()
                return
        if missing := sorted(self._awaited):
            raise UnreachableError(
                f"{_named(missing, found)} did not connect to this process at {self._address};"
                " nothing was sent: look at the network between both, and at"
                " FLEETPATCH_LISTEN_ADDRESS and FLEETPATCH_CONTACT_ADDRESS"
            )
        if found:
            raise UnreachableError(
                f"no answer of {_named(sorted(found), found)}; nothing was sent: look at the"
                " Dask cluster"
            )
        raise UnreachableError(f"{NO_WORKER}; nothing was sent: look at the Dask cluster")

    async def watch(self) -> None:
        """Start workers that come later; one that cannot take part is logged."""
        while True:
            await anyio.sleep(_WATCH_INTERVAL)
            self._note_joined()
            try:
                found = await self._cluster.workers()
                known = {one.address for one in self._coordinator.workers.values()}
                new = {address: found[address] for address in found.keys() - known - self._refused}
                for problem in await self._start(new):
                    events.worker_refused(self._log, "", detail=problem)
            except UnreachableError:
                # Its workers go on; without any, the coordinator pauses the run.
                continue

    @property
    def _awaited(self) -> set[str]:
        """Those that were started, and have not reported yet whether they can take part."""
        return self._started - self._ready - self._unfit

    @property
    def _ready(self) -> set[str]:
        return {one.address for one in self._coordinator.workers.values() if one.is_ready}

    @property
    def _unfit(self) -> set[str]:
        return {one.address for one in self._coordinator.workers.values() if one.problems}

    def _problems(self) -> list[str]:
        return [
            f"worker {one.name}: {problem}"
            for one in self._coordinator.workers.values()
            for problem in one.problems
        ]

    def _note_joined(self) -> None:
        for one in list(self._coordinator.workers.values()):
            if one.agent in self._joined or one.checked is None:
                continue
            self._joined.add(one.agent)
            if one.problems:
                events.worker_refused(self._log, one.name, detail="; ".join(one.problems))
            else:
                events.worker_joined(self._log, one.name, address=one.address)

    async def _start(self, found: Mapping[str, str]) -> list[str]:
        """Start workers, by address with their names; return why some cannot take part."""
        if not found:
            return []
        wanted = versions()
        answers = await self._cluster.start(
            list(found), start_agent, self._address, self._coordinator.session, wanted
        )
        self._started.update(answers)
        problems = []
        for address, answer in answers.items():
            if answer != wanted:
                self._refused.add(address)
                problems.append(f"worker {found[address]} ({address}) {_difference(answer)}")
        return problems


def _named(addresses: Sequence[str], names: Mapping[str, str]) -> str:
    """Name the first of some workers, and say how many there are."""
    first = addresses[0]
    more = f" and {len(addresses) - 1} more" if addresses[1:] else ""
    return f"worker {names[first]} ({first}){more}"


def _difference(answer: object) -> str:
    """Say how the versions of a worker differ from ours."""
    if not isinstance(answer, Mapping):
        return f"cannot run fleetpatch {versions()['fleetpatch']}: {answer}"
    different = [
        f"{name} {answer.get(name)} and this process has {version}"
        for name, version in versions().items()
        if answer.get(name) != version
    ]
    return f"has {', '.join(different)}"
