"""The options `--metrics-...`: shows a command to Prometheus from its start to its exit code."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fleetpatch.cli import signals
from fleetpatch.cli.ending import closing
from fleetpatch.errors import UsageError

if TYPE_CHECKING:
    from fleetpatch.metrics.monitor import Monitor, Places
    from fleetpatch.model.ports import Monitor as AnyMonitor

_FILE: Final = "metrics_file"
_LISTEN: Final = "metrics_listen"
_PUSH: Final = "metrics_push"
_current: ContextVar["Monitor | None"] = ContextVar("monitor", default=None)


def current_monitor() -> "AnyMonitor":
    """Return the monitor of the command that is called."""
    from fleetpatch.campaign.settings import NoMonitor

    return _current.get() or NoMonitor()


@contextmanager
def reporting(command: str | None, params: Mapping[str, Any]) -> Iterator[None]:
    """Show the command to Prometheus while the block runs, and how it ended.

    `params` are the values of its options by name. Raises UsageError if they are not valid, or if
    the client library is not installed.
    """
    if not any(params.get(name) for name in (_FILE, _LISTEN, _PUSH)):
        yield
        return
    monitor = _monitor(command or "", params)
    token = _current.set(monitor)
    with signals.announced(monitor.exit_now):
        try:
            with closing(monitor.close):
                yield
        finally:
            _current.reset(token)
            for problem in monitor.problems:
                sys.stderr.write(f"warning: {problem}\n")


def _monitor(command: str, params: Mapping[str, Any]) -> "Monitor":
    if find_spec("prometheus_client") is None:
        raise UsageError(
            "the options --metrics-... need the client library of Prometheus; install it with"
            " `pip install 'fleetpatch[metrics]'`"
        )
    from fleetpatch.metrics.monitor import Monitor

    return Monitor(command, _word(params), _places(params))


def _places(params: Mapping[str, Any]) -> "Places":
    """Return the places that the options name. Raises UsageError."""
    from fleetpatch.metrics.addresses import read_address, read_gateway
    from fleetpatch.metrics.monitor import Places
    from fleetpatch.metrics.textfile import Textfile

    file, listen, push = (params.get(name) for name in (_FILE, _LISTEN, _PUSH))
    try:
        address = read_address(listen) if listen else None
    except ValueError as error:
        raise UsageError(f"--metrics-listen {listen}: {error}") from error
    try:
        gateway = read_gateway(push) if push else None
    except ValueError as error:
        # Without the URL, which may have a password.
        raise UsageError(f"--metrics-push: {error}") from None
    return Places(Textfile(file) if file else None, address, gateway)


def _word(params: Mapping[str, Any]) -> str:
    """Return what names the plan until it is known: the name of its file, or the word for a run."""
    words = (params.get(name) for name in ("filename", "what", "run"))
    return next((Path(str(word)).stem for word in words if word), "")
