"""A writer that goes on writing in a thread, and can be asked to rest."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class BackgroundWriter(ABC):
    """Calls `write_once` every `pause` seconds while the block runs."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._lock, self._enough = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._write)

    @abstractmethod
    def write_once(self) -> None:
        """Write to one object, in the thread."""

    def __enter__(self) -> Self:
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
        while not self._enough.wait(self._pause):
            with self._lock:
                self.write_once()
