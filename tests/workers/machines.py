"""A Dask cluster as processes of its own, which can be killed, suspended and started again.

Like the Dask operator on Kubernetes, it starts a worker again that has ended.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.control_plane.processes import free_ports
from tests.workers.farm import environment


class Machines:
    """A scheduler and workers; `kills`, `suspensions` and `restarts` are counted."""

    def __init__(self, folder: Path, workers: int, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        [self._port] = free_ports(1)
        self.address = f"tcp://127.0.0.1:{self._port}"
        self._scheduler = self._start_scheduler()
        self._workers = [self._start_worker(number) for number in range(workers)]
        self._lock, self._enough = threading.Lock(), threading.Event()
        self._keeper = threading.Thread(target=self._keep)

    @classmethod
    @contextmanager
    def start(cls, folder: Path, workers: int, variables: Mapping[str, str]) -> Iterator[Self]:
        """Run them until the block ends; `variables` are added to the environment."""
        machines = cls(folder, workers, variables)
        machines._keeper.start()
        try:
            yield machines
        finally:
            machines._enough.set()
            machines._keeper.join()
            for process in (*machines._workers, machines._scheduler):
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    @property
    def workers(self) -> int:
        """The number of workers."""
        return len(self._workers)

    def kill(self, worker: int) -> None:
        """Kill a worker; another one is started in its place."""
        self._workers[worker].kill()

    @contextmanager
    def suspended(self, worker: int) -> Iterator[None]:
        """Suspend a worker while the block runs."""
        process = self._workers[worker]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    @contextmanager
    def without_scheduler(self) -> Iterator[None]:
        """Kill the scheduler, and start it again at the end of the block."""
        self._scheduler.kill()
        self._scheduler.wait()
        try:
            yield
        finally:
            self._scheduler = self._start_scheduler()

    def _keep(self) -> None:
        while not self._enough.wait(0.1):
            for number, process in enumerate(self._workers):
                if process.poll() is not None:
                    self._workers[number] = self._start_worker(number)

    def _start_scheduler(self) -> "subprocess.Popen[bytes]":
        words = ["scheduler", "--host", "127.0.0.1", "--port", self._port, "--no-dashboard"]
        return self._started(*words, "--dashboard-address", "127.0.0.1:0")

    def _start_worker(self, number: int) -> "subprocess.Popen[bytes]":
        words = ["worker", self.address, "--host", "127.0.0.1", "--nthreads", 1, "--no-nanny"]
        words += ["--no-dashboard", "--memory-limit", 0, "--local-directory", self._folder]
        # The same name again, as the operator's pods have.
        return self._started(*words, "--name", f"worker-{number}", "--death-timeout", 60)

    def _started(self, *words: object) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, words)],
            env=environment(self._variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            # Ctrl-C of the terminal is for the program that starts them.
            process_group=0,
        )
