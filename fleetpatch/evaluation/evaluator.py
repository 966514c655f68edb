"""Implements the port `Expressions` by a child process.

A batch that ends the process is split until the object is found for which it ends; this object's
result is an error, and the others are evaluated by a new process. Each batch has the part of the
objects alone that the expressions read.
"""

import re
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from fleetpatch.cel.program import Compilation, Parts, Result, Rows, Texts
from fleetpatch.cel.reads import Tree, projected
from fleetpatch.errors import Refused, SurroundingsError
from fleetpatch.evaluation.messages import HEADER, Batch, Setup, encode, framed, results
from fleetpatch.model.fields import ABSENT, Json, Path
from fleetpatch.model.ports import Evaluated, ListedCluster, MissingKey, Namespaces, Subject
from fleetpatch.model.text import clean

MEMORY: Final = 256 * 2**20
"""Bytes that the child process may use beyond its start and the tables."""

CPU_TIME: Final = 1.0
"""Seconds for a batch, whatever its size; and as much again for each 100 objects."""

MAX_ENDED: Final = 50
"""Objects that may end the child process, before the plan is refused."""

_PROGRAM: Final = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"
_KILLED: Final = "the expressions need too much memory or time for this object"
_CRASHED: Final = (
    "what evaluates the expressions crashed on this object; if an optional is within a map, write"
    " {?key: x} for {key: x}"
)
_ENDED: Final = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
)
_UNREADABLE: Final = "the object has text or numbers that an expression cannot read"
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The character U+0000 in JSON. The runtime would take the text only up to it."""
_END_TIMEOUT: Final = 5.0
"""Seconds to wait for a process that has closed its pipes."""
_KEPT_METADATA: Final = frozenset(
    {
        *("name", "namespace", "uid", "resourceVersion", "labels", "annotations", "generation"),
        *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers"),
        *("generateName", "ownerReferences", "selfLink"),
    }
)
"""The fields of metadata that a list of metadata keeps."""


class Evaluator:
    """Evaluates a plan's expressions; `paths` are the places of the values, as in `Texts.values`.

    `namespaces` gives the namespaceObject of each object, and is called only where it is read.
    """

    def __init__(
        self,
        texts: Texts,
        paths: Sequence[Path],
        tables: Mapping[str, Rows],
        now: float,
        namespaces: Namespaces,
        *,
        memory: int = MEMORY,
        cpu_time: float = CPU_TIME,
    ) -> None:
        self._paths = paths
        self._setup = Setup(texts, tables, now, memory)
        self._namespaces = namespaces
        self._cpu_time = cpu_time
        self._compilation = Compilation(texts, {name: one.columns for name, one in tables.items()})
        self._lock = anyio.Lock()
        self._child: _Child | None = None
        self._ended = 0
        self._crashed = False

    def reads_whole(self, block: int) -> bool:
        """See the port."""
        reads = self._compilation.reads(block)
        return any(_is_whole(reads[name]) for name in ("object", "owner") if name in reads)

    def listing(self, cluster: ListedCluster, block: int, *, complete: bool) -> ListedCluster:  # noqa: ARG002 - the port has them
        """See the port: this process lists."""
        return cluster

    def owner_part(self, owner: Json) -> Json:
        """See the port."""
        reads = self._compilation.reads(-1, Parts.VALUES)
        return projected(owner, reads["owner"]) if "owner" in reads else None

    def tables_of_where(self) -> bytes:
        """Return the tables that `where` looks up, for a recheck; empty if there are none."""
        names = sorted(self._compilation.tables_of_where())
        return encode({name: self._setup.tables[name] for name in names}) if names else b""

    async def evaluate(
        self, cluster: str, block: int, subjects: Sequence[Subject]
    ) -> Sequence[Evaluated]:
        """See the port."""
        owned = bool(subjects) and subjects[0].owner is not None
        parts = Parts.VALUES if owned else Parts.ALL
        return await self._evaluate(cluster, block, subjects, parts)

    async def matches(self, cluster: str, block: int, subject: Subject) -> Evaluated:
        """Evaluate the block's `where` alone, for however many objects that ends the process."""
        (result,) = await self._evaluate(cluster, block, [subject], Parts.WHERE)
        return result

    async def __aenter__(self) -> Self:
        """Evaluate within the block; the child process is started when it is needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the child process."""
        await self._end()

    async def _end(self) -> None:
        if self._child is not None:
            await self._child.close()
            self._child = None

    async def _evaluate(
        self, cluster: str, block: int, subjects: Sequence[Subject], parts: Parts
    ) -> Sequence[Evaluated]:
        reads = self._compilation.reads(block, parts)
        spaces = await self._spaces(cluster, subjects, reads)
        data = [_data(one, reads, spaces) for one in subjects]
        async with self._lock:
            found = await self._results(Batch(cluster, block, parts, 0.0, data))
        return [self._evaluated(one, parts) for one in found]

    async def _spaces(
        self, cluster: str, subjects: Sequence[Subject], reads: Mapping[str, Tree]
    ) -> dict[str, Json]:
        """Return what is read of the namespaces of these objects, by their names."""
        if "namespaceObject" not in reads:
            return {}
        found: dict[str, Json] = {}
        for name in {one.namespace for one in subjects}:
            space = await self._namespaces.namespace_object(cluster, name)
            found[name] = projected(space, reads["namespaceObject"])
        return found

    async def _results(self, batch: Batch) -> list[Result]:
        if not batch.data:
            return []
        seconds = self._cpu_time * (1 + len(batch.data) / 100)
        try:
            message: bytes | None = encode(msgspec.structs.replace(batch, seconds=seconds))
        except (UnicodeEncodeError, OverflowError, TypeError, ValueError, RecursionError):
            message = None
        if message is None or _NUL.search(message):
            if len(batch.data) == 1:
                return [Result(error=_UNREADABLE)]
            return await self._halves(batch)
        answer = await self._ask(message)
        if answer is None and len(batch.data) > 1:
            return await self._halves(batch)
        # Asked twice: something else than the object may have ended the process.
        if answer is None:
            answer = await self._ask(message)
        if answer is not None:
            return results.decode(answer)
        # A run that is carried out goes on: the objects that `where` is asked again about are few.
        self._ended += batch.parts is not Parts.WHERE
        if self._ended > MAX_ENDED:
            raise Refused(
                f"the expressions of the plan need too much memory or time for more than"
                f" {MAX_ENDED} objects; simplify them"
            )
        return [Result(error=_CRASHED if self._crashed else _KILLED)]

    async def _ask(self, message: bytes) -> bytes | None:
        """Return the answer of the process, which is started if there is none; None if it ends."""
        if self._child is None:
            self._child = await _Child.start(self._setup)
        try:
            answer = await self._child.ask(message)
        except BaseException:
            # A cancelled call leaves an answer that the next one must not read.
            await self._end()
            raise
        if answer is None:
            child = self._child
            await self._end()
            self._crashed = child.has_crashed
        return answer

    async def _halves(self, batch: Batch) -> list[Result]:
        middle = len(batch.data) // 2
        found: list[Result] = []
        for part in (batch.data[:middle], batch.data[middle:]):
            found += await self._results(msgspec.structs.replace(batch, data=part))
        return found

    def _evaluated(self, result: Result, parts: Parts) -> Evaluated:
        if result.error:
            missing = tuple(MissingKey(table, key) for table, key in result.missing_keys)
            return Evaluated(error=clean(result.error), missing_keys=missing)
        if not result.matches or parts is Parts.WHERE:
            return Evaluated(matches=result.matches)
        pairs = zip(self._paths, result.values, strict=True)
        return Evaluated(values={path: one[0] if one else ABSENT for path, one in pairs})


def _data(
    subject: Subject, reads: Mapping[str, Tree], spaces: Mapping[str, Json]
) -> dict[str, Any]:
    """Return what is read of each variable for an object."""
    data: dict[str, Any] = {}
    if "object" in reads:
        data["object"] = projected(subject.object, reads["object"])
    if "owner" in reads:
        owner = subject.object if subject.owner is None else subject.owner
        data["owner"] = projected(owner, reads["owner"])
    if spaces:
        data["namespaceObject"] = spaces[subject.namespace]
    return data


def _is_whole(tree: Tree) -> bool:
    """Report whether what is read of an object is more than a list of metadata has."""
    metadata = tree.get("metadata")
    if not tree or not tree.keys() <= {"apiVersion", "kind", "metadata"}:
        return True
    return metadata is not None and (not metadata or not metadata.keys() <= _KEPT_METADATA)


class _Child:
    """One child process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self._has_ended = False

    @classmethod
    async def start(cls, setup: Setup) -> "_Child":
        """Start a process. Raises SurroundingsError."""
        program = _PROGRAM.format(path=sys.path, module="fleetpatch.evaluation.child")
        try:
            process = await anyio.open_process(
                [sys.executable, "-I", "-S", "-c", program],
                env={},
                stderr=-3,  # subprocess.DEVNULL
                start_new_session=True,
            )
        except OSError as error:
            raise SurroundingsError(
                f"the process that evaluates expressions cannot be started: {error.strerror}"
            ) from error
        child = cls(process)
        try:
            # The answer says that it could load its modules and compile the expressions.
            answer = await child.ask(encode(setup))
        except BaseException:  # cancelled: only this function knows the process
            await child.close()
            raise
        if answer is None:
            await child.close()
            raise SurroundingsError(
                "the process that evaluates expressions ended when it was started; check the"
                " limits on memory (ulimit -v)"
            )
        return child

    async def ask(self, message: bytes) -> bytes | None:
        """Send a message and return the answer; None if the process has ended."""
        try:
            await self._stdin.send(framed(message))
            (size,) = HEADER.unpack(await self._stdout.receive_exactly(HEADER.size))
            return await self._stdout.receive_exactly(size)
        except _ENDED:
            self._has_ended = True
            return None

    @property
    def has_crashed(self) -> bool:
        """Whether a closed process ended by a fault of the runtime, and not by its limits."""
        return self._process.returncode == -signal.SIGSEGV

    async def close(self) -> None:
        """End the process."""
        with anyio.CancelScope(shield=True):
            if self._has_ended:
                # Without a signal: sending one to a process that is gone takes its exit status
                # away from asyncio, which warns on stderr then.
                with anyio.move_on_after(_END_TIMEOUT):
                    await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
            await self._process.aclose()
