"""A small API server with one batch Job that reports any version of Kubernetes.

An apply sets the fields that it names. It replaces the node selector as a whole if the server is
`current` (Kubernetes 1.36), and merges it otherwise (1.20). A strategic merge has no effect: the
tests send only such that a current server ignores.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleetpatch.sandbox.kubeconfig import write_kubeconfig
from tests.http_servers import serving

JOB = "/apis/batch/v1/namespaces/team-a/jobs/etl-1"
SCHEMA = "/openapi/v3/apis/batch/v1"
_RESOURCE = {"name": "jobs", "singularName": "job", "kind": "Job", "namespaced": True}
_DOCUMENTS: dict[str, Any] = {
    "/apis": {"groups": [{"name": "batch", "versions": [{"version": "v1"}]}]},
    "/api/v1": {"resources": []},
    "/apis/batch/v1": {"resources": [{**_RESOURCE, "verbs": ["get", "list", "patch"]}]},
}


class VersionedServer(ThreadingHTTPServer):
    """`version` is what `/version` answers: a version, or None for 403; `asked` counts paths.

    `schema` is the document at /openapi/v3/apis/batch/v1; None if there is none.
    """

    daemon_threads = True

    def __init__(self, version: str | None, spec: dict[str, Any], *, current: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.version = version
        self.current = current
        self.asked: Counter[str] = Counter()
        self.schema: Any = None
        self.job: dict[str, Any] = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "etl-1",
                "namespace": "team-a",
                "uid": "uid-1",
                "resourceVersion": "1",
                "labels": {"app": "etl"},
            },
            "spec": {"template": {"metadata": {}, "spec": spec}},
        }

    @property
    def pod(self) -> Any:
        return self.job["spec"]["template"]["spec"]

    def write(self, body: Any) -> None:
        """Write as another writer does."""
        self.patch("application/merge-patch+json", body)

    def patch(self, content_type: str, body: Any) -> None:
        before = json.dumps(self.job)
        if "strategic" not in content_type:
            applies = "apply" in content_type
            self.job = _merged(self.job, body, whole=applies and self.current)
        if json.dumps(self.job) != before:
            metadata = self.job["metadata"]
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: VersionedServer

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked[path] += 1
        if path == "/version":
            if self.server.version is None:
                return self._answer(403, {"kind": "Status", "code": 403, "reason": "Forbidden"})
            return self._answer(200, {"gitVersion": self.server.version})
        if path == JOB:
            return self._answer(200, self.server.job)
        if path.endswith("/jobs"):
            return self._answer(200, {"metadata": {}, "items": [self.server.job]})
        if path == SCHEMA and self.server.schema is not None:
            return self._answer(200, self.server.schema)
        if path not in _DOCUMENTS:
            return self._answer(404, {})
        return self._answer(200, _DOCUMENTS[path])

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        current = self.server.job["metadata"]["resourceVersion"]
        if body.get("metadata", {}).get("resourceVersion", current) != current:
            refusal = {"kind": "Status", "code": 409, "reason": "Conflict"}
            about = {"name": "etl-1", "group": "batch", "kind": "jobs"}
            return self._answer(409, {**refusal, "details": about})
        self.server.patch(self.headers["Content-Type"], body)
        return self._answer(200, self.server.job)

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _merged(value: Any, patch: Any, *, whole: bool) -> Any:
    if not isinstance(patch, dict) or not isinstance(value, dict):
        return patch
    result = dict(value)
    for key, one in patch.items():
        if one is None:
            result.pop(key, None)
        elif whole and key == "nodeSelector":
            result[key] = one
        else:
            result[key] = _merged(result.get(key, {}), one, whole=whole)
    return result


@contextmanager
def versioned(
    kubeconfig: Path, version: str | None, spec: dict[str, Any], *, current: bool
) -> Iterator[VersionedServer]:
    """Serve, with a kubeconfig that leads there."""
    server = VersionedServer(version, spec, current=current)
    with serving(server) as url:
        write_kubeconfig(kubeconfig, url, "us", "a-token")
        yield server
