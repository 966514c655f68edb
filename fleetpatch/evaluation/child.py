"""The child process: reads batches of objects on stdin, and writes their results to stdout.

It is started with an empty environment. After its modules are loaded it can open no file and start
no process, and the operating system ends it where it uses too much memory or time. So an expression
and an object can do no more than end this process.
"""

import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from fleetpatch.cel.program import Evaluation, Result
from fleetpatch.evaluation.messages import HEADER, Batch, Setup, encode, framed

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST: Final = 3 * 2**20
"""Bytes of an object's values at most: no API server accepts a larger request."""

_TOO_LARGE: Final = msgspec.Raw(
    encode(Result(error=f"the values have more than {LARGEST} bytes, which no server accepts"))
)
_setups: Final = msgspec.json.Decoder(Setup)
_batches: Final = msgspec.json.Decoder(Batch)


def main() -> None:
    """Answer until stdin is closed."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    first = _read(source)
    if first is None:
        return
    setup = _setups.decode(first)
    evaluation = Evaluation(setup.texts, setup.tables)
    now = _EPOCH + timedelta(seconds=setup.now)
    _confine(setup.memory)
    _write(sink, [])
    while (message := _read(source)) is not None:
        batch = _batches.decode(message)
        _limit_time(batch.seconds)
        names = evaluation.names(batch.block, batch.parts)
        every = {"cluster": batch.cluster, "now": now}
        common = {name: value for name, value in every.items() if name in names}
        _write(sink, [_result(evaluation, batch, one, common) for one in batch.data])


def _result(
    evaluation: Evaluation, batch: Batch, data: Mapping[str, Any], common: Mapping[str, Any]
) -> msgspec.Raw:
    result = encode(evaluation.evaluate(batch.block, {**common, **data}, batch.parts))
    return msgspec.Raw(result) if len(result) <= LARGEST else _TOO_LARGE


def _write(sink: BinaryIO, results: Sequence[msgspec.Raw]) -> None:
    sink.write(framed(encode(results)))
    sink.flush()


def _read(source: BinaryIO) -> bytes | None:
    header = source.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    return source.read(HEADER.unpack(header)[0])


def _confine(memory: int) -> None:
    """Limit what the process may use from now on."""
    try:
        import resource  # noqa: PLC0415 - Windows has none of these limits
    except ImportError:
        return
    used = _memory_in_use()
    for kind, limit in (
        (resource.RLIMIT_AS, used + memory if used else resource.RLIM_INFINITY),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (soft, hard if kind == resource.RLIMIT_AS else soft))


def _memory_in_use() -> int:
    """Return the bytes of address space in use; 0 where the system does not show them."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    import resource  # noqa: PLC0415 - as in `_confine`

    return int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _limit_time(seconds: float) -> None:
    """Let the operating system end the process after this much more CPU time."""
    # The default action of this signal ends the process. Windows has no such timer.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
