"""Jobs and their pods with computed values, on sandboxes behind spies that see each PATCH arrive.

The values come from a table and from the owner. `violations` compares the servers with what was
there before: it computes the values itself, and counts the writes by the resourceVersion, which a
sandbox raises by one with each write.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

from tests.e2e.sandboxes import SandboxServer, joined_kubeconfig, sandbox
from tests.e2e.spies import Spy, spying
from tests.e2e.tool import Tool, plan

OTHER = "serve"
"""Jobs with this label `app` are not selected by `where`."""

_JOBS = 60
"""Objects of each sandbox that own pods; a fifth of them are batch Jobs."""
_PODS = 3
_KINDS = ("/apis/batch/v1/jobs", "/api/v1/pods", "/apis/batch.volcano.sh/v1alpha1/jobs")
_TABLE = "costs.csv"

Objects: TypeAlias = dict[str, Any]
"""Objects by uid."""


class Trigger:
    """Calls functions when the n-th PATCH arrives, before the PATCH is forwarded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actions: dict[int, Callable[[], object]] = {}
        self._losing: set[int] = set()
        self._arrived = 0

    def at(self, more: int, action: Callable[[], object], *, losing: bool = False) -> None:
        """Call `action` when so many `more` PATCHes have arrived; `losing` drops the last one.

        A dropped PATCH never reaches the server. Its client must not live to read the answer.
        """
        with self._lock:
            number = self._arrived + more
            self._actions[number] = action
            if losing:
                self._losing.add(number)

    def arrives(self, method: str, _path: str) -> bool:
        """Count a request; return whether it is dropped."""
        if method != "PATCH":
            return False
        with self._lock:
            self._arrived += 1
            # The lock is held: other PATCHes are forwarded after the action.
            self._actions.pop(self._arrived, lambda: None)()
            return self._arrived in self._losing


class ComputedFleet:
    """Clusters `a`, `b`, ... of Jobs that own pods; `tool` reaches them through spies."""

    def __init__(
        self,
        tool: Tool,
        trigger: Trigger,
        servers: Mapping[str, SandboxServer],
        spies: Sequence[Spy],
    ) -> None:
        self.tool, self.trigger = tool, trigger
        self._servers, self._spies = servers, spies
        self._before = self._objects()
        self._versions = self._version()

    @classmethod
    @contextmanager
    def serve(cls, tool: Tool, clusters: str) -> Iterator[Self]:
        """Serve a sandbox for each letter of `clusters` until the block ends."""
        trigger, servers, spies = Trigger(), {}, []
        with ExitStack() as stack:
            for name in clusters:
                (tool.folder / name).mkdir()
                own = Tool(tool.folder / name)
                server = stack.enter_context(sandbox(own, jobs=_JOBS, namespaces=3, pods=_PODS))
                spy = stack.enter_context(spying(server, trigger.arrives))
                servers[name] = server
                spies.append(spy)
            document = joined_kubeconfig(
                {name: server.kubeconfig for name, server in servers.items()}
            )
            for cluster, spy in zip(document["clusters"], spies, strict=True):
                cluster["cluster"] = {"server": spy.server}
            tool.write("kubeconfig", document)
            yield cls(tool, trigger, servers, spies)

    @property
    def _centres(self) -> dict[str, str]:
        """The table: a cost centre for each team."""
        jobs = [one for one in self._before.values() if one["kind"] == "Job"]
        teams = sorted({job["metadata"]["labels"]["team"] for job in jobs})
        return {team: f"cc-{number}" for number, team in enumerate(teams)}

    def plan(self) -> Path:
        """Write the plan and its table."""
        rows = "".join(f"{team},{centre}\n" for team, centre in self._centres.items())
        self.tool.write(_TABLE, f"team,centre\n{rows}")
        block = {
            "kinds": ["jobs.batch"],
            "where": f"object.metadata.labels.app != '{OTHER}'",
            "dependents": ["pods"],
        }
        patch = {
            "labels": {"cost-centre": {"cel": "tables.costs[owner.metadata.labels.team].centre"}},
            "annotations": {
                "of": {"cel": "owner.metadata.name + ' ' + object.metadata.name"},
            },
        }
        fleet = [{"name": name, "context": name} for name in self._servers]
        tables = {"costs": {"file": _TABLE, "key": "team"}}
        # Few in flight at a kill: enough targets remain for the next one.
        pace = {"concurrency": 2}
        document = plan("values", block, patch=patch, fleet=fleet, tables=tables, pace=pace)
        return self.tool.write("plan.yaml", document)

    def remove_table(self) -> None:
        """Remove the table's file: what a run writes is fixed when it begins."""
        (self.tool.folder / _TABLE).unlink()

    def wait_until_forwarded(self) -> None:
        """Wait until the spies have forwarded all that clients sent that are dead now."""
        for spy in self._spies:
            spy.wait_until_forwarded()

    def values(self) -> dict[str, tuple[str, str]]:
        """Return the label and the annotation that each target must have, by uid."""
        expected = {}
        for uid, one in self._before.items():
            owner = self._owner(one)
            if owner is not None and owner["metadata"]["labels"]["app"] != OTHER:
                metadata = owner["metadata"]
                of = f"{metadata['name']} {one['metadata']['name']}"
                expected[uid] = self._centres[metadata["labels"]["team"]], of
        return expected

    def violations(self) -> Iterator[str]:
        """Yield each object that is not as it must be after the run."""
        expected, after = self.values(), self._objects()
        if after.keys() != self._before.keys():
            yield "there are other objects than before"
        for uid, one in after.items():
            if uid not in expected and one != self._before[uid]:
                yield f"{one['metadata']['name']} was not selected, and was touched"
            if uid in expected and one != self._changed(uid, one, *expected[uid]):
                yield f"{one['metadata']['name']} has {one['metadata']}, not {expected[uid]}"
        if (writes := self._version() - self._versions) != len(expected):
            yield f"{writes} writes for {len(expected)} targets"

    def patches(self) -> list[int]:
        """Return how many PATCHes each object received, of those that received any."""
        return [count for one in self._servers.values() for count in one.patches().values()]

    def _changed(self, uid: str, after: Any, centre: str, of: str) -> Any:
        """Return what a target must be now, which the server has given a new version."""
        before = self._before[uid]
        metadata = before["metadata"]
        return before | {
            "metadata": metadata
            | {
                "labels": metadata["labels"] | {"cost-centre": centre},
                "annotations": metadata.get("annotations", {}) | {"of": of},
                "resourceVersion": after["metadata"]["resourceVersion"],
            }
        }

    def _owner(self, one: Any) -> Any:
        """Return the batch Job to which an object belongs; a batch Job belongs to itself."""
        if one["apiVersion"] == "batch/v1":
            return one
        owners = [
            self._before.get(reference["uid"])
            for reference in one["metadata"].get("ownerReferences", ())
            if reference["apiVersion"] == "batch/v1"
        ]
        return owners[0] if owners else None

    def _objects(self) -> Objects:
        found = {}
        for server in self._servers.values():
            for path in _KINDS:
                body = server.client.request("GET", path).body
                kind = {"apiVersion": body["apiVersion"], "kind": body["kind"][: -len("List")]}
                found.update({one["metadata"]["uid"]: one | kind for one in body["items"]})
        return found

    def _version(self) -> int:
        """Return the sum of the resourceVersions of the servers."""
        lists = [one.client.request("GET", _KINDS[0]).body for one in self._servers.values()]
        return sum(int(one["metadata"]["resourceVersion"]) for one in lists)
