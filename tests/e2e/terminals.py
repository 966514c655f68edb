"""A command on a pseudo-terminal of a set size, and what it has shown there."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from types import TracebackType
from typing import Self

from tests.e2e.tool import Tool

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs a command; a context manager that kills what has not ended by itself."""

    def __init__(self, tool: Tool, *words: object, columns: int, rows: int) -> None:
        self._theirs, ours = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = tool.environment | {"TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self._raw = b""
        self._process = subprocess.Popen(
            tool.words(*words),
            cwd=tool.folder,
            env=environment,
            stdin=ours,
            stdout=ours,
            stderr=ours,
            start_new_session=True,
        )
        os.close(ours)
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._theirs)

    @property
    def text(self) -> str:
        """All that was shown so far, one picture after the other, without control sequences."""
        return _SEQUENCE.sub("", self._raw.decode(errors="replace"))

    def wait(self) -> int:
        """Wait for the end of the command; return its exit code."""
        code = self._process.wait(60)
        self._reader.join()
        return code

    def _read(self) -> None:
        # Linux ends a terminal whose other side has hung up with EIO.
        try:
            while chunk := os.read(self._theirs, 65536):
                self._raw += chunk
        except OSError:
            return
