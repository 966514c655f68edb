"""The option `--workers`: which workers send the requests of a verb."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from fleetpatch.cli import signals
from fleetpatch.errors import UsageError

if TYPE_CHECKING:
    from fleetpatch.workers.pool import DaskWorkers

MAX_PROCESSES: Final = 256
"""Worker processes of this machine, at most."""

_used: Final = ExitStack()
"""What ends the workers of the verb that is called; a process calls one."""

_ADDRESS: Final = re.compile(r"(tcp|tls)://([\w.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", re.ASCII)


def read_workers(text: str) -> int | str:
    """Read a number of processes, or the address of a scheduler. Raises ValueError."""
    if _ADDRESS.fullmatch(text):
        return text
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_PROCESSES:
        return int(text)
    raise ValueError(
        f"{text!r} is neither a number of processes up to {MAX_PROCESSES} nor the address of a Dask"
        " scheduler; use --workers 4, or --workers tls://HOST:8786"
    )


def pool_of(workers: str | None, timeout: float) -> "DaskWorkers | None":
    """Return the workers that the option names; None: this process sends all requests.

    Processes of this machine that they start end with the block of `ending_workers`.

    Raises UsageError if Dask is not installed, which is imported only here.
    """
    if workers is None:
        return None
    if find_spec("distributed") is None or find_spec("cryptography") is None:
        raise UsageError("--workers needs Dask; install it with `pip install 'fleetpatch[dask]'`")
    from fleetpatch.workers.pool import DaskWorkers

    pool = DaskWorkers(read_workers(workers), timeout)
    _used.callback(pool.close)
    return pool


@contextmanager
def ending_workers() -> Iterator[None]:
    """End the processes that workers of the block have started."""
    try:
        yield
    finally:
        with signals.deferred():
            _used.close()
