"""Processes of benchmarks: one that is measured from outside, and a sandbox.

Measured are wall-clock time, CPU time and peak memory, from the kernel.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plans import fleetpatch


class ContenderFailedError(Exception):
    """A measured process failed; the message ends with what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one process, and its stdout.

    `seconds` is wall-clock time, `cpu` user and system time, `rss` the peak resident set in bytes.
    """

    seconds: float
    cpu: float
    rss: int
    output: str

    def document(self) -> Any:
        """Return the JSON object on the last line of the output."""
        return json.loads(self.output.splitlines()[-1])


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command to its end, with `environment` added to that of this process.

    Raises ContenderFailedError if its exit code is not 0.
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
        # wait4 reports the usage of this child only; resource.getrusage that of all children.
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


@contextmanager
def sandbox(*words: str | Path) -> Iterator[Any]:
    """Run `fleetpatch sandbox` with these words; yield the JSON that it prints when it is ready.

    Creating a large fleet takes a while before that.
    """
    command = fleetpatch("sandbox", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise ContenderFailedError("the sandbox did not start; its message is above")
            yield json.loads(line)
        finally:
            process.terminate()
