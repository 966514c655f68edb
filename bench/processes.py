"""A process measured from outside: wall clock, CPU and peak memory, as the kernel counted them."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class ContenderFailedError(Exception):
    """A measured process failed; the message ends with what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process cost. `seconds` is wall clock, `cpu` user and system, `rss` bytes at most.

    `output` is its stdout.
    """

    seconds: float
    cpu: float
    rss: int
    output: str

    def document(self) -> Any:
        """The JSON object on the last line of the output."""
        return json.loads(self.output.splitlines()[-1])


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command to its end, with `environment` beside this process's own.

    Raises ContenderFailedError where it exits with anything but 0.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        # Of this one child alone; resource.getrusage would give the maximum over all of them.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            stderr.seek(0)
            tail = stderr.read().decode(errors="replace")[-2000:]
            raise ContenderFailedError(f"{' '.join(command)}: exit {process.returncode}\n{tail}")
        stdout.seek(0)
        output = stdout.read().decode()
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, usage.ru_maxrss * 1024, output)
