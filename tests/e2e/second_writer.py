"""A second writer that writes to the same objects as a run, and counts its writes."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Self

from tests.e2e.trials import Fleet


class SecondWriter:
    """Sets a label of its own on random objects of the fleet, while the block runs.

    `writes` counts its successful writes, by name.
    """

    def __init__(self, fleet: Fleet, generator: random.Random, pause: float = 0.02) -> None:
        self._fleet, self._generator, self._pause = fleet, generator, pause
        self._lock, self._enough = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.writes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._fleet.second_writer = self
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Pause the writes while the block runs."""
        with self._lock:
            yield

    def _write(self) -> None:
        fleet = self._fleet
        names = sorted(fleet.names)
        while not self._enough.wait(self._pause):
            with self._lock:
                name = self._generator.choice(names)
                path = f"{fleet.body.kind.path(fleet.namespace)}/{name}"
                value = str(sum(self.writes.values()))
                patch = {"metadata": {"labels": {"second.example.com/writer": value}}}
                kind = "application/merge-patch+json"
                if fleet.plane.request("PATCH", path, patch, kind).status == HTTPStatus.OK:
                    self.writes[name] += 1
