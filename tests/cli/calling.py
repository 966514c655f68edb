"""The command line, called within this process: as fast as it gets, for the many small cases."""

import atexit
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from fleetpatch.cli import app, signals
from tests.e2e.tool import Ended


@dataclass(frozen=True)
class Caller:
    """Calls `main` with other arguments, and takes what it prints and its exit code."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object) -> Ended:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["fleetpatch", *map(str, words)])
        with _signals_restored(), pytest.raises(SystemExit) as ended:
            app.main()
        printed = self.capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, printed.out, printed.err)


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Leave this process as it was: what `main` changes is meant for the rest of a process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    hook = sys.unraisablehook
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
        atexit.unregister(signals.ignore)
