"""The fixture itself: what other tests and the benchmarks rely on."""

import base64
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.control_plane import (
    JOB_KINDS,
    ControlPlane,
    ControlPlaneError,
    OwnControlPlane,
    RawClient,
    SharedControlPlane,
    directory,
    sharing,
)
from tests.control_plane.binaries import SCRIPT
from tests.control_plane.processes import Process, free_ports

ROOT = SCRIPT.parents[1]
MERGE_PATCH = "application/merge-patch+json"
KIND_NAMES = sorted(JOB_KINDS)


@pytest.mark.control_plane
@pytest.mark.parametrize("name", KIND_NAMES)
def test_discovery_serves_the_job_kinds(control_plane: ControlPlane, name: str) -> None:
    kind = JOB_KINDS[name]

    response = control_plane.request("GET", f"/apis/{kind.api_version}")

    resources = {resource["name"]: resource for resource in response.body["resources"]}
    assert resources[kind.plural]["kind"] == kind.kind
    assert {"get", "list", "patch"} <= set(resources[kind.plural]["verbs"])
    assert f"{kind.plural}/status" in resources


@pytest.mark.control_plane
def test_volcano_jobs_have_their_short_names(control_plane: ControlPlane) -> None:
    response = control_plane.request("GET", "/apis/batch.volcano.sh/v1alpha1")

    assert response.body["resources"][0]["shortNames"] == ["vcjob", "vj"]


@pytest.mark.control_plane
@pytest.mark.parametrize("name", KIND_NAMES)
def test_jobs_are_created_in_bulk_with_labels_by_index(
    control_plane: ControlPlane, name: str
) -> None:
    namespace = control_plane.namespace()
    kind = JOB_KINDS[name]

    names = control_plane.create_jobs(
        20, namespace, kind, labels=lambda index: {"parity": "even" if index % 2 == 0 else "odd"}
    )

    query = f"{kind.path(namespace)}?labelSelector=parity%3Dodd"
    listed = control_plane.request("GET", query).body["items"]
    assert [item["metadata"]["name"] for item in listed] == names[1::2]
    assert set(kind.spec) <= set(listed[0]["spec"])


@pytest.mark.control_plane
def test_tls_is_verified_with_the_authority_of_the_kubeconfig(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    config = json.loads(control_plane.kubeconfig(tmp_path / "kubeconfig").read_text())
    cluster = config["clusters"][0]["cluster"]
    ca_file = tmp_path / "ca.crt"
    ca_file.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = config["users"][0]["user"]["token"]

    with closing(RawClient(cluster["server"], ca_file, token)) as client:
        assert client.request("GET", "/api/v1/namespaces").status == 200


@pytest.mark.control_plane
def test_tls_is_refused_without_the_authority(control_plane: ControlPlane) -> None:
    with (
        closing(RawClient(control_plane.server, None, control_plane.admin_token)) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.request("GET", "/version")


@pytest.mark.control_plane
@pytest.mark.parametrize("name", KIND_NAMES)
@pytest.mark.parametrize(("user", "status"), [("alice", 200), ("bob", 403)])
def test_alice_may_patch_jobs_and_bob_may_not(
    control_plane: ControlPlane, name: str, user: str, status: int
) -> None:
    namespace = control_plane.namespace()
    kind = JOB_KINDS[name]
    [job] = control_plane.create_jobs(1, namespace, kind)
    path = kind.path(namespace, job)
    patch = {"metadata": {"labels": {"patched-by": user}}}

    response = control_plane.request(
        "PATCH", path, patch, MERGE_PATCH, token=control_plane.token(user)
    )

    assert response.status == status
    labels = control_plane.request("GET", path).body["metadata"].get("labels", {})
    assert (labels.get("patched-by") == user) is (status == 200)


@pytest.mark.control_plane
def test_alice_may_not_delete_jobs(control_plane: ControlPlane) -> None:
    namespace = control_plane.namespace()
    [job] = control_plane.create_jobs(1, namespace)
    path = JOB_KINDS["jobs.batch"].path(namespace, job)

    assert control_plane.request("DELETE", path, token=control_plane.user_token).status == 403


@pytest.fixture(scope="module")
def servers(
    control_plane_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnControlPlane]:
    # From this verbosity on, the server logs its flags.
    flags = ["--max-mutating-requests-inflight=7", "--v=1"]
    audit_log = tmp_path_factory.mktemp("audit") / "audit.log"
    with OwnControlPlane(control_plane_binaries, apiserver_flags=flags, audit_log=audit_log) as own:
        yield own


@pytest.fixture
def own(servers: OwnControlPlane) -> OwnControlPlane:
    """A control plane with a flag and an audit log, which tests may kill and stop."""
    if not servers.started:
        servers.start()
    return servers


@pytest.mark.control_plane
def test_a_killed_apiserver_comes_back_with_its_data(own: OwnControlPlane) -> None:
    namespace = own.namespace()
    names = own.create_jobs(3, namespace)
    path = JOB_KINDS["jobs.batch"].path(namespace)

    own.kill_apiserver()
    try:
        with pytest.raises(ConnectionRefusedError):
            own.request("GET", path)
    finally:
        own.start_apiserver()

    items = own.request("GET", path).body["items"]
    assert [item["metadata"]["name"] for item in items] == names


@pytest.mark.control_plane
def test_a_killed_etcd_comes_back_with_its_data(own: OwnControlPlane) -> None:
    namespace = own.namespace()
    names = own.create_jobs(3, namespace)

    own.kill_etcd()
    own.start_etcd()
    own.wait_ready()

    items = own.request("GET", JOB_KINDS["jobs.batch"].path(namespace)).body["items"]
    assert [item["metadata"]["name"] for item in items] == names


@pytest.mark.control_plane
def test_a_control_plane_is_shared_with_other_processes(own: OwnControlPlane) -> None:
    with sharing(own) as url, closing(SharedControlPlane(url)) as shared:
        namespace = shared.namespace()

        found = own.request("GET", f"/api/v1/namespaces/{namespace}")
        assert found.status == 200
        assert (shared.etcd_server, shared.audit_log) == (own.etcd_server, own.audit_log)
        assert [shared.token(user) for user in own.tokens] == list(own.tokens.values())
    assert own.request("GET", "/readyz").status == 200, "its owner ends it"


def test_a_shared_control_plane_is_started_by_the_first_request(tmp_path: Path) -> None:
    own = OwnControlPlane(tmp_path / "nowhere", audit_log=tmp_path / "audit.log")

    with sharing(own) as url:
        assert not own.started
        with pytest.raises(ControlPlaneError, match="etcd ended before: /health"):
            SharedControlPlane(url)


@pytest.mark.control_plane
def test_a_control_plane_takes_flags_and_an_audit_log_and_leaves_nothing(
    own: OwnControlPlane,
) -> None:
    state = own.directory
    namespace = own.namespace()
    assert 'max-mutating-requests-inflight="7"' in _apiserver_log(own)

    own.stop()

    assert own.audit_log is not None
    # Not decoded: the servers that other tests have killed may have left a part of a line.
    assert '"requestURI":"/api/v1/namespaces",' in own.audit_log.read_text(), namespace
    assert not state.exists()
    _assert_ended(own)


@pytest.mark.control_plane
def test_a_server_that_does_not_start_is_reported_with_its_log(
    control_plane_binaries: Path,
) -> None:
    own = OwnControlPlane(control_plane_binaries, apiserver_flags=["--no-such-flag"])

    with pytest.raises(ControlPlaneError, match="unknown flag: --no-such-flag"):
        own.start()

    with pytest.raises(ControlPlaneError, match="not started"):
        own.kubeconfig(Path("kubeconfig"))


def test_a_free_port_is_given_once_and_a_server_listens_on_it_again_and_again() -> None:
    (port,) = free_ports(1)
    address = ("127.0.0.1", port)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(address)

    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with socket.create_server(address) as server, socket.create_connection(address):
            server.accept()[0].close()


def test_a_process_dies_with_the_interpreter_that_started_it(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from tests.control_plane.processes import Process

process = Process(["sleep", "600"], Path({str(tmp_path / "log")!r}))
process.start()
print(process.pid, flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        handle = os.pidfd_open(pid)
        try:
            owner.kill()
            assert _ends(handle, seconds=60)
        finally:
            os.close(handle)


def test_a_process_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    process = Process(["sleep", "600"], tmp_path / "log")
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    try:
        handle = os.pidfd_open(process.pid)
        try:
            assert not _ends(handle, seconds=0.2)
        finally:
            os.close(handle)
    finally:
        process.kill()


def test_directories_of_killed_runs_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(directory, "_SHARED_MEMORY", tmp_path / "absent")
    abandoned = tmp_path / "fleetpatch-control-plane-abandoned"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    running = directory.StateDirectory()
    for lock in tmp_path.glob("*/lock"):
        os.utime(lock, (0, 0))

    directory.StateDirectory().remove()

    assert list(tmp_path.iterdir()) == [running.path]
    running.remove()
    assert list(tmp_path.iterdir()) == []


def _apiserver_log(own: OwnControlPlane) -> str:
    return (own.directory / "kube-apiserver.log").read_text()


def _assert_ended(plane: ControlPlane) -> None:
    address = urlsplit(plane.server)
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((address.hostname, address.port))


def _ends(handle: int, seconds: float) -> bool:
    """Wait for the process of a pidfd to end, at most so long."""
    return bool(select.select([handle], [], [], seconds)[0])
