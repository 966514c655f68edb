"""The option `--workers`: which workers send the requests of a verb."""

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from fleetpatch.errors import UsageError

if TYPE_CHECKING:
    from fleetpatch.workers.pool import DaskWorkers

MAX_PROCESSES: Final = 256
"""Worker processes of this machine, at most."""

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

    Raises UsageError if Dask is not installed, which is imported only here.
    """
    if workers is None:
        return None
    if find_spec("distributed") is None or find_spec("cryptography") is None:
        raise UsageError("--workers needs Dask; install it with `pip install 'fleetpatch[dask]'`")
    from fleetpatch.workers.pool import DaskWorkers

    return DaskWorkers(read_workers(workers), timeout)
