"""Independent evidence of what happened: etcd, the audit log, and the run file read by SQL.

No code is shared with fleetpatch. etcd counts how often it has stored each object, and the API
server stores only changes. The audit log has a line for each request that the API server answered.
The run file is read by its view `standings`, as in a `sqlite3` shell, and objects by a plain LIST.
"""

import json
import sqlite3
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

from tests.control_plane import JOB_KINDS, ControlPlane, JobKind
from tests.e2e.fleets import Key

MILLISECOND = 0.001
"""The precision of the times in a log."""


class Answer(Protocol):
    """The answer of a server."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> Any: ...


class Server(Protocol):
    """A server for a plain client: the real control plane, or a sandbox."""

    def request(self, method: str, path: str) -> Answer:
        """Send one request."""
        ...


def objects(
    server: Server,
    kinds: Iterable[JobKind] = JOB_KINDS.values(),
    beginning: str = "",
    space: str = "",
) -> dict[Key, Any]:
    """Return all objects of these kinds in the namespaces with this prefix, or in one `space`."""
    found: dict[Key, Any] = {}
    # Other tests may have thousands of objects in other namespaces.
    spaces = [space] if space else []
    if beginning:
        spaces = [one for one in _namespaces(server) if one.startswith(beginning)]
    for kind in kinds:
        everywhere = f"/apis/{kind.api_version}/{kind.plural}"
        for path in map(kind.path, spaces) if beginning or space else [everywhere]:
            for item in _items(server, path):
                metadata = item["metadata"]
                key = f"{kind.plural}.{kind.group}", metadata["namespace"], metadata["name"]
                found[key] = item
    return found


def _namespaces(server: Server) -> list[str]:
    return [item["metadata"]["name"] for item in _items(server, "/api/v1/namespaces")]


def _items(server: Server, path: str) -> list[Any]:
    answer = server.request("GET", path)
    assert answer.status == 200
    items: list[Any] = answer.body["items"] or []
    return items


def times_stored(control_plane: ControlPlane, kind: JobKind, namespace: str) -> dict[str, int]:
    """Return how often etcd has stored each object of this kind in the namespace, by name."""
    group = "" if kind.group == "batch" else f"{kind.group}/"
    prefix = f"/registry/{group}{kind.plural}/{namespace}/".encode()
    question = {
        "key": b64encode(prefix).decode(),
        "range_end": b64encode(prefix[:-1] + b"0").decode(),  # "0" is what follows "/"
        "keys_only": True,
    }
    url = f"{control_plane.etcd_server}/v3/kv/range"
    with urlopen(url, json.dumps(question).encode(), timeout=30) as answer:
        found = json.load(answer).get("kvs", [])
    return {
        b64decode(one["key"]).removeprefix(prefix).decode(): int(one["version"]) for one in found
    }


@dataclass(frozen=True, slots=True)
class Sent:
    """A PATCH that a server received: time in seconds since the epoch, object, status, sender.

    The client of the tests sends no User-Agent; it is empty then.
    """

    at: float
    namespace: str
    name: str
    status: int
    user_agent: str


def audited(log: Path, namespace: str, start: int = 0) -> Iterator[Sent]:
    """Yield the PATCH requests of an audit log from byte `start`, in the order of their answers."""
    with log.open("rb") as file:
        file.seek(start)
        # Most lines are of other tests.
        lines = [line.decode() for line in file if namespace.encode() in line]
    for line in lines:
        # A server that was killed may have left half a line, which the next one continued.
        event = _parsed(line[max(line.rfind('{"kind":"Event"'), 0) :])
        about = event.get("objectRef", {})
        if event.get("verb") == "patch" and about.get("namespace") == namespace:
            at = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
            status = event["responseStatus"]["code"]
            yield Sent(at, namespace, about["name"], status, event.get("userAgent", ""))


def _parsed(line: str) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return event


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a run file, whether in use, crashed or closed."""

    state: str
    standings: dict[str, str]
    """The standing of each target, by name."""

    @property
    def counts(self) -> Counter[str]:
        """The number of targets by standing."""
        return Counter(self.standings.values())

    @property
    def ended(self) -> set[str]:
        """The names of the targets that have an outcome."""
        open_ones = ("pending", "in-doubt")
        return {name for name, standing in self.standings.items() if standing not in open_ones}


def record(run_file: Path) -> Record:
    """Read a run file."""
    with closing(sqlite3.connect(f"{run_file.as_uri()}?mode=ro", uri=True)) as database:
        (state,) = database.execute("SELECT value FROM meta WHERE key = 'state'").fetchone()
        return Record(state, dict(database.execute("SELECT name, standing FROM standings")))


def claims(run_file: Path) -> int:
    """Return the number of claims; 0 also if the file has no tables yet."""
    with closing(sqlite3.connect(f"{run_file.as_uri()}?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM claims").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def settled_at(run_file: Path) -> list[float]:
    """Return when the targets ended, in seconds since the epoch, the earliest time first."""
    with closing(sqlite3.connect(f"{run_file.as_uri()}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT settled_at FROM outcomes ORDER BY settled_at")
        return [at for (at,) in rows]
