"""A second writer that writes to the same objects as a run, and counts its writes."""

import random
from collections import Counter
from http import HTTPStatus
from typing import Self

from tests.e2e.background_writer import BackgroundWriter
from tests.e2e.trial_fleets import Fleet


class SecondWriter(BackgroundWriter):
    """Sets a label of its own on random objects of the fleet, while the block runs.

    `writes` counts its successful writes, by name.
    """

    def __init__(self, fleet: Fleet, generator: random.Random) -> None:
        super().__init__(pause=0.02)
        self._fleet, self._generator = fleet, generator
        self._names = sorted(fleet.names)
        self.writes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._fleet.second_writer = self
        return super().__enter__()

    def write_once(self) -> None:
        fleet = self._fleet
        name = self._generator.choice(self._names)
        path = f"{fleet.body.kind.path(fleet.namespace)}/{name}"
        patch = {"metadata": {"labels": {"second.example.com/writer": str(self.writes.total())}}}
        kind = "application/merge-patch+json"
        if fleet.plane.request("PATCH", path, patch, kind).status == HTTPStatus.OK:
            self.writes[name] += 1
