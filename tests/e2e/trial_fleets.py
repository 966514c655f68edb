"""Fleets on the real control plane, and the ways in which trials change them.

A *fleet* is the objects that a plan selects, and others beside them that must not change.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tests.control_plane import JOB_KINDS, ControlPlane, JobKind
from tests.e2e.tool import plan
from tests.e2e.witnesses import times_stored

KEY = "kill.example.com/run"
_TFJOBS = JOB_KINDS["tfjobs.kubeflow.org"]


@dataclass(frozen=True, slots=True)
class Body:
    """A way to change objects that shows a reader what was applied, and how often."""

    name: str
    kind: JobKind
    patch: Callable[[str], dict[str, Any]]
    shown: Callable[[Any], list[str]]
    """An object -> the marks that it carries."""
    gathers: bool
    """Whether marks are added to those of earlier runs, or replace them."""
    where: str = ""
    """An expression that selects the objects, beside the selector."""

    def expected(self, runs: int) -> list[str]:
        """Return the marks that an object must have after this number of runs."""
        marks = [mark(run) for run in range(1, runs + 1)]
        return marks if self.gathers else marks[-1:]


MERGE = Body(
    "merge patch",
    JOB_KINDS["jobs.batch"],
    lambda value: {"labels": {KEY: value}},
    lambda item: [value for key, value in item["metadata"]["labels"].items() if key == KEY],
    gathers=False,
)
APPEND = Body(
    "JSON Patch, append",
    replace(_TFJOBS, spec=_TFJOBS.spec | {"marks": []}),
    lambda value: {"json": [{"op": "add", "path": "/spec/marks/-", "value": value}]},
    lambda item: list(item["spec"]["marks"]),
    gathers=True,
)
APPLY = Body(
    "server-side apply",
    JOB_KINDS["tfjobs.kubeflow.org"],
    lambda value: {"apply": {"metadata": {"labels": {KEY: value}}}},
    MERGE.shown,
    gathers=False,
)
# A computed list: what is appended twice, or computed twice, is seen.
COMPUTED = Body(
    "computed values",
    APPEND.kind,
    lambda value: {"merge": {"spec": {"marks": {"cel": f"object.spec.marks + ['{value}']"}}}},
    APPEND.shown,
    gathers=True,
    where="has(object.spec.marks) && object.metadata.labels.app == 'etl'",
)


def mark(run: int) -> str:
    """Return the mark that a run sets on the objects."""
    return f"run-{run}"


class OtherWriter(Protocol):
    """Another client that writes to the objects of a fleet."""

    writes: Counter[str]
    """The number of its writes, by the object's name."""

    def resting(self) -> AbstractContextManager[None]:
        """Pause its writes while the block runs."""
        ...


class Fleet:
    """Objects that a plan selects, and others beside them that must not change."""

    def __init__(self, plane: ControlPlane, body: Body, targets: int) -> None:
        """Create the objects: `targets` selected ones, and one other for every ten of them."""
        self.plane, self.body, self.targets = plane, body, targets
        self.runs = 0
        self.namespace = plane.namespace()
        plane.create_jobs(
            targets + targets // 10,
            self.namespace,
            body.kind,
            labels=lambda index: {"app": "etl" if index < targets else "serve"},
        )
        self.second_writer: OtherWriter | None = None
        self._stored = times_stored(plane, body.kind, self.namespace)
        self._uids = {name: item["metadata"]["uid"] for name, item in self._items().items()}

    @property
    def names(self) -> Collection[str]:
        """The names of all objects."""
        return self._uids.keys()

    def plan(self, **more: Any) -> dict[str, Any]:
        """Return the plan of the current run."""
        kind = f"{self.body.kind.plural}.{self.body.kind.group}"
        block: dict[str, Any] = {
            "kinds": [kind],
            "namespaces": [self.namespace],
            "selector": "app=etl",
        }
        if self.body.where:
            block["where"] = self.body.where
        return plan("ordeal", block, patch=self.body.patch(mark(self.runs)), **more)

    def violations(self) -> Iterator[str]:
        """Yield each object that is not as it must be after all runs so far."""
        with self.second_writer.resting() if self.second_writer else nullcontext():
            yield from self._violations(self.second_writer.writes if self.second_writer else {})

    def left_behind(self) -> Iterator[str]:
        """Yield each object that still has a mark of ours."""
        for name, item in self._items().items():
            if shown := self.body.shown(item):
                yield f"{name} has {shown} after all runs were undone"

    def _violations(self, others: Mapping[str, int]) -> Iterator[str]:
        items = self._items()
        stored = times_stored(self.plane, self.body.kind, self.namespace)
        if items.keys() != self._uids.keys():
            yield f"{len(items)} objects, were {len(self._uids)}"
        for name, item in items.items():
            selected = item["metadata"]["labels"]["app"] == "etl"
            runs = self.runs if selected else 0
            if (shown := self.body.shown(item)) != self.body.expected(runs):
                yield f"{name} has {shown} after {runs} runs"
            if (times := stored[name] - self._stored[name] - others.get(name, 0)) != runs:
                yield f"{name} was stored {times} times in {runs} runs"
            if item["metadata"]["uid"] != self._uids[name]:
                yield f"{name} has another uid"

    def _items(self) -> dict[str, Any]:
        listed = self.plane.request("GET", self.body.kind.path(self.namespace)).body["items"]
        return {item["metadata"]["name"]: item for item in listed}
