"""A small API server with a few objects of one kind, whose answers a test can change.

It supports discovery, lists, GET, merge patches and one operation of a JSON Patch, on real sockets.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.tool import Tool
from tests.http_servers import serving
from tests.rfc7386 import merged

GROUP, PLURAL = "example.com", "trainings"
KIND = f"{PLURAL}.{GROUP}"
_VERSION = {"groupVersion": f"{GROUP}/v1", "version": "v1"}
_RESOURCE = {"name": PLURAL, "kind": "Training", "namespaced": True, "verbs": ["list", "patch"]}
_DOCUMENTS = {
    "/version": {"major": "1", "minor": "20", "gitVersion": "v1.20.2"},
    "/apis": {"groups": [{"name": GROUP, "versions": [_VERSION]}]},
    "/api/v1": {"resources": []},
    f"/apis/{GROUP}/v1": {"resources": [_RESOURCE]},
}


class Stub:
    """The objects and settings of a server. `bend` changes the bytes of each answer's body.

    `headers` are added to each answer. While `hangs` is set, requests for single objects get no
    answer.
    """

    def __init__(self, objects: Mapping[str, Mapping[str, Any]]) -> None:
        self.objects: dict[str, Any] = {}
        self.sent: list[tuple[str, str]] = []
        self.bend: Callable[[bytes], bytes] = lambda body: body
        self.headers: list[tuple[str, str]] = []
        self.hangs = False
        self.url = ""
        self.ended = threading.Event()
        self._version = 0
        for name, fields in objects.items():
            # Servers never share a uid.
            uid = f"uid-{name}-{secrets.token_hex(4)}"
            metadata: dict[str, Any] = {"name": name, "namespace": "ns", "uid": uid}
            metadata["labels"] = {"app": "x"}
            head = {"apiVersion": f"{GROUP}/v1", "kind": "Training", "metadata": metadata}
            self.write(name, head | dict(fields))

    def write(self, name: str, document: Any) -> None:
        """Store a new version of an object."""
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        self.objects[name] = document

    def patches(self) -> list[str]:
        """Return the names of the objects for which a PATCH was received."""
        return [path.rpartition("/")[2] for method, path in self.sent if method == "PATCH"]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status and document of the answer to a request."""
        if path in _DOCUMENTS:
            return 200, _DOCUMENTS[path]
        name = path.rpartition("/")[2]
        if name == PLURAL:
            return 200, {"metadata": {}, "items": list(self.objects.values())}
        if self.hangs:
            self.ended.wait()
        if name not in self.objects:
            return 404, {"kind": "Status", "reason": "NotFound", "details": {"kind": PLURAL}}
        found = self.objects[name]
        if method == "PATCH":
            patch = json.loads(body)
            if isinstance(patch, list):
                [step] = [step for step in patch if step["op"] != "test"]
                patch = {"spec": {step["path"].removeprefix("/spec/"): step["value"]}}
            known = found["metadata"]["resourceVersion"]
            if patch.get("metadata", {}).pop("resourceVersion", known) != known:
                return 409, {"kind": "Status", "reason": "Conflict"}
            self.write(name, merged(found, patch))
        return 200, self.objects[name]


@contextmanager
def stub(names: Mapping[str, Mapping[str, Any]]) -> Iterator[Stub]:
    """Serve these objects, by name, until the block ends."""
    served = Stub(names)
    server = _Server(("127.0.0.1", 0), type("_Bound", (_Handler,), {"served": served}))
    with serving(server) as served.url:
        try:
            yield served
        finally:
            served.ended.set()


def configure(tool: Tool, *stubs: Stub) -> None:
    """Write a kubeconfig with a context for each: `c0`, `c1` and so on; `c0` is the current one."""
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "c0"}
    document |= {"clusters": [], "users": [], "contexts": []}
    for name, one in ((f"c{number}", one) for number, one in enumerate(stubs)):
        document["clusters"].append({"name": name, "cluster": {"server": one.url}})
        document["users"].append({"name": name, "user": {}})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    tool.write("kubeconfig", document)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    served: Stub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.served.sent.append((self.command, path))
        status, document = self.served.answer(self.command, path, body)
        content = self.served.bend(json.dumps(document).encode())
        try:
            self.send_response(status)
            for name, value in self.served.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:  # the client has given up
            self.close_connection = True
