"""A fleet of jobs whose owners of fields are known, and writers that change it after a run."""

from typing import Any

from fleetpatch.engine.clock import SystemClock
from tests.control_plane import JOB_KINDS
from tests.e2e.sandboxes import SandboxServer

JOBS = JOB_KINDS["jobs.batch"]
MERGE = "application/merge-patch+json"


class Jobs:
    """Jobs in the namespace `default` of a sandbox, with the label app=etl and a team."""

    def __init__(self, server: SandboxServer, count: int) -> None:
        self._client = server.client
        self.names = [f"etl-{number:03}" for number in range(count)]
        for name in self.names:
            self.create(name)

    def create(self, name: str) -> None:
        manifest = JOBS.manifest(name, {"app": "etl", "team": "blue"})
        self._request("POST", JOBS.path("default"), manifest)

    def label(self, name: str, manager: str = "flux", **labels: str | None) -> None:
        """Set and remove labels, as another field manager."""
        path = f"{JOBS.path('default', name)}?fieldManager={manager}"
        self._request("PATCH", path, {"metadata": {"labels": labels}}, MERGE)

    def team(self, name: str) -> str:
        """Return the team of a job."""
        shown = self._client.request("GET", JOBS.path("default", name)).body
        team: str = shown["metadata"]["labels"]["team"]
        return team

    def delete(self, name: str) -> None:
        self._request("DELETE", JOBS.path("default", name))

    def _request(self, method: str, path: str, body: Any = None, kind: str = "") -> None:
        response = self._client.request(method, path, body, kind or "application/json")
        assert response.status in {200, 201}, response.body


class EventfulClock(SystemClock):
    """A clock on which a wait of more than a minute is over at once.

    What `events` holds happens during these waits, one after the other; `waits` are their seconds.
    """

    def __init__(self, *events: Any) -> None:
        self._events = list(events)
        self._passed = 0.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return super().monotonic() + self._passed

    def wall(self) -> float:
        return super().wall() + self._passed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 60:
            await super().sleep(seconds)
            return
        self.waits.append(seconds)
        self._passed += seconds
        if self._events:
            self._events.pop(0)()
