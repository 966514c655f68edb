"""The command line, called within this process: a tenth of what a process of its own takes.

The modules are imported once and not by every command, and no interpreter is started. What depends
on the process (signals, streams, encodings, limits, kills) is tested with `Tool.start`.
"""

import atexit
import gc
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from unittest.mock import patch

from fleetpatch.cli import app, signals

_PROGRESS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def notes(self) -> str:
        """What it wrote to stderr, without the lines of progress."""
        return _PROGRESS.sub("", self.err)

    @property
    def json(self) -> Any:
        """The document that was printed with `-o json`."""
        return json.loads(self.out)


Caller: TypeAlias = Callable[..., Ended]
"""`call_main`, in the folder and the environment of a test."""


def call_main(*words: object, main: Callable[[], NoReturn] | None = None) -> Ended:
    """Call `main` with these arguments; stdin is at its end. Fails where `main` raises an error."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    arguments = ["fleetpatch", *map(str, words)]
    with (
        Path(os.devnull).open() as nothing,
        patch.multiple(sys, argv=arguments, stdin=nothing, stdout=out, stderr=err),
        # A process of the tool ends soon. This one goes on to collect the garbage of tests, but not
        # the tests themselves (tests/conftest.py).
        patch.multiple(gc, freeze=lambda: None, unfreeze=lambda: None),
        _signals_restored(),
    ):
        code = _exit_code(main or app.main)
    return Ended(code, _text(out), _text(err))


def _exit_code(main: Callable[[], NoReturn]) -> int:
    code: object = None
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    assert isinstance(code, int)
    return code


def _text(stream: TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Restore this process: `main` sets signal handlers and hooks for the rest of a process."""
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
