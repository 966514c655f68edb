"""An API server with prepared answers, served by nginx, so that a benchmark measures the client.

It serves discovery of batch/v1, one list of Jobs in pages, and a 200 for every PATCH: the object
that was asked for, with the wanted label.
"""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from tests.control_plane.processes import Process, free_ports

Json: TypeAlias = Any

PAGE = 500
_NAMESPACES = 20
_GROUP = "/apis/batch/v1"
_OBJECT = "^/apis/batch/v1/namespaces/(bench-[0-9]+)/jobs/job-([0-9]+)$"
_LABELS = {"app": "bench", "tier": "std", "team": "ml"}

# One worker process, so that a client has a core of its own. `keepalive_requests` is so large that
# nginx closes no connection during a round.
_CONFIGURATION = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    open_file_cache max=1000;
    map $arg_continue $page {{ default $arg_continue; "" 0; }}
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        location = /apis {{ try_files /apis.json =404; }}
        location = /api/v1 {{ try_files /core.json =404; }}
        location = {group} {{ try_files /batch.json =404; }}
        location = {group}/jobs {{ try_files /page-$page.json =404; }}
        location ~ {object} {{ return 200 '{patched}'; }}
    }}
}}
"""


class NoNginxError(Exception):
    """nginx is not installed; the message says how to get it."""


@contextmanager
def static_server(folder: Path, *, jobs: int, label: str, cluster: int = 0) -> Iterator[str]:
    """Serve `jobs` Jobs, PATCHed ones with `label` (KEY=VALUE); yield the server's URL.

    Two servers with different numbers `cluster`, from 0 to 9, have different objects. Raises
    NoNginxError, with the command that installs it, if nginx is missing.
    """
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        raise NoNginxError("there is no nginx here; on Debian: apt-get install nginx-light")
    _write_documents(folder, jobs, cluster)
    (port,) = free_ports(1)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder, port=port, group=_GROUP, object=_OBJECT, patched=_patched(label, cluster)
        )
    )
    process = Process([nginx, "-c", str(configuration), "-p", str(folder)], folder / "nginx.log")
    process.start()
    try:
        process.wait_until(lambda: _answers(port), "the port answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()


def write_kubeconfig(path: Path, server: str) -> Path:
    """Write a kubeconfig with one context, the current one, for `server`."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "static", "cluster": {"server": server}}],
        "contexts": [{"name": "static", "context": {"cluster": "static"}}],
        "current-context": "static",
    }
    path.write_text(json.dumps(document))
    return path


def _write_documents(folder: Path, jobs: int, cluster: int) -> None:
    version = {"groupVersion": "batch/v1", "version": "v1"}
    group = {"name": "batch", "versions": [version], "preferredVersion": version}
    resource = {
        "name": "jobs",
        "singularName": "job",
        "namespaced": True,
        "kind": "Job",
        "verbs": ["get", "list", "patch"],
    }
    documents: dict[str, Json] = {
        "apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]},
        "core": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        "batch": {"kind": "APIResourceList", "groupVersion": "batch/v1", "resources": [resource]},
    }
    starts = range(0, jobs, PAGE)
    for number, start in enumerate(starts):
        last = number == len(starts) - 1
        documents[f"page-{number}"] = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": "1", "continue": "" if last else str(number + 1)},
            "items": [_job(index, cluster) for index in range(start, min(start + PAGE, jobs))],
        }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, separators=(",", ":")))


def _job(index: int, cluster: int) -> dict[str, Json]:
    metadata = _identity(f"bench-{index % _NAMESPACES:02}", f"{index:06}", cluster)
    return {"metadata": metadata | {"resourceVersion": str(1000 + index), "labels": _LABELS}}


def _identity(namespace: str, digits: str, cluster: int) -> dict[str, Json]:
    """Return the metadata that identify a Job; nginx inserts what its location captures."""
    uid = f"0000000{cluster}-0000-0000-0000-000000{digits}"
    return {"name": f"job-{digits}", "namespace": namespace, "uid": uid}


def _patched(label: str, cluster: int) -> str:
    """Return the answer to a PATCH, of realistic size; nginx inserts namespace and number."""
    key, _, value = label.partition("=")
    metadata = _identity("$1", "$2", cluster) | {
        "resourceVersion": "1",
        "labels": _LABELS | {key: value},
    }
    managed = {"manager": "bench", "operation": "Update", "apiVersion": "batch/v1"}
    fields: Json = {f"f:field-{n}": {".": {}, "f:value": {}} for n in range(20)}
    # Most of a real answer's size, since servers record each field that a manager has set.
    metadata["managedFields"] = [managed | {"fieldsType": "FieldsV1", "fieldsV1": fields}]
    head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return json.dumps(head | {"metadata": metadata}, separators=(",", ":"))


def _answers(port: int) -> bool:
    socket.create_connection(("127.0.0.1", port)).close()
    return True
