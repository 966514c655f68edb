"""The command of the CronJob in a pod's environment, against a real API server.

Covered: a user without an entry in the password database, a read-only root, no HOME, no kubeconfig,
the account's token and authority from files, exactly the rights of the overlay, a plan behind the
links of a ConfigMap's volume, a volume that belongs to a group; two pods one after the other.
Left out: the kubelet and the image itself.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.control_plane import ControlPlane
from tests.deploy.manifests import OVERLAYS, container_of, of_kind, pod_of
from tests.deploy.pods import ACCOUNT, Pod, require_root, terminate
from tests.deploy.test_manifests import PATHS
from tests.e2e.fleets import BATCH, delete, namespaces
from tests.e2e.tool import end

pytestmark = pytest.mark.control_plane

OVERLAY = "one-plan"
NAMESPACE = "fleetpatch"
GRANTED = (
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    *("ClusterRoleBinding", "RoleBinding"),
)


@dataclass(frozen=True)
class Site:
    """The namespace of the overlay with its account and rights, jobs of a team, and a pod."""

    plane: ControlPlane
    pod: Pod
    variables: dict[str, str]
    space: str
    jobs: list[str]

    def labels(self) -> list[str | None]:
        found = [self.plane.request("GET", BATCH.path(self.space, one)).body for one in self.jobs]
        return [one["metadata"]["labels"].get("cost-centre") for one in found]


@pytest.fixture
def site(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Site]:
    require_root()
    cron_job = of_kind(OVERLAY, "CronJob")[0]
    (space,) = namespaces(control_plane, "team-a")
    beginning = space.removesuffix("team-a")
    jobs = control_plane.create_jobs(3, space, labels=lambda _: {"app": "etl"})
    created = list(_granted(control_plane))
    # The volumes: a ConfigMap's are links, and a claim belongs to the group of the pod.
    plan, state, temporary = tmp_path / "plan", tmp_path / "state", tmp_path / "tmp"
    (plan / "..data").mkdir(parents=True)
    text = (OVERLAYS[OVERLAY] / "plan.yaml").read_text().replace('"team-*"', f'"{beginning}team-*"')
    (plan / "..data" / "plan.yaml").write_text(text)
    (plan / "plan.yaml").symlink_to("..data/plan.yaml")
    user = pod_of(cron_job)["securityContext"]
    for folder, mode in ((state, 0o2775), (temporary, 0o2777)):
        folder.mkdir()
        os.chown(folder, 0, user["fsGroup"])
        folder.chmod(mode)
    account = _account(control_plane, tmp_path / "account", pod_of(cron_job))
    mounts = {one["name"]: one["mountPath"] for one in container_of(cron_job)["volumeMounts"]}
    folders = {mounts["plan"]: plan, mounts["state"]: state, mounts["tmp"]: temporary}
    pod = Pod(
        pod_of(cron_job),
        tmp_path,
        {**folders, ACCOUNT: account},
        (mounts["state"], mounts["tmp"]),
    )
    server = urlsplit(control_plane.server)
    variables = {
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "PATH": "/opt/fleetpatch/bin:/usr/bin:/bin",
    }
    yield Site(control_plane, pod, variables, space, jobs)
    for path in reversed(created):
        delete(control_plane, path)


def _granted(plane: ControlPlane) -> Iterator[str]:
    """Create what the overlay has of these kinds, and yield the paths."""
    for kind in GRANTED:
        for one in of_kind(OVERLAY, kind):
            collection = PATHS[kind].format(NAMESPACE)
            made = plane.request("POST", collection, one)
            # A namespace is not gone when it is deleted: the first test leaves it to the others.
            assert made.status == 201 or (kind, made.status) == ("Namespace", 409), made.body
            if kind != "Namespace":
                yield f"{collection}/{one['metadata']['name']}"


def _account(plane: ControlPlane, folder: Path, pod: Any) -> Path:
    """Write the files of the account, as a kubelet does."""
    folder.mkdir()
    name = pod["serviceAccountName"]
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token"
    token = plane.request("POST", path, {"spec": {}})
    assert token.status == 201, token.body
    (folder / "token").write_text(token.body["status"]["token"])
    (folder / "ca.crt").write_bytes(plane.ca_file.read_bytes())
    (folder / "namespace").write_text(NAMESPACE)
    return folder


def test_the_command_of_the_cron_job_carries_out_its_plan_and_the_next_pod_knows_the_run(
    site: Site,
) -> None:
    words = container_of(of_kind(OVERLAY, "CronJob")[0])["args"]

    first = site.pod.run(site.variables, *words)

    assert first.code == 0, first.err + first.out
    assert site.labels() == ["4711"] * 3
    events = [json.loads(line) for line in first.out.splitlines() if line.startswith("{")]
    started = next(one for one in events if one["event"] == "run.started")
    assert started["by"].startswith(f"system:serviceaccount:{NAMESPACE}:{NAMESPACE}@")
    # Another pod, with the same volume.
    status = site.pod.run(site.variables, "status", "cost-centre", "-o", "json")
    assert (status.code, json.loads(status.out)["outcomes"]["applied"]) == (0, 3)
    again = site.pod.run(site.variables, *words)
    assert again.code == 0, again.err
    verified = site.pod.run(site.variables, "verify", "cost-centre")
    assert verified.code == 0, verified.err + verified.out
    undone = site.pod.run(site.variables, "undo", "cost-centre", "--yes")
    assert undone.code == 0, undone.err
    assert site.labels() == [None] * 3


def test_a_pod_that_is_ended_pauses_its_run_and_the_next_pod_continues_it(site: Site) -> None:
    words = container_of(of_kind(OVERLAY, "CronJob")[0])["args"]
    plan = site.pod.mounts["/etc/fleetpatch"] / "..data" / "plan.yaml"
    # The second patch would be sent in a minute.
    plan.write_text(f"{plan.read_text()}pace: {{rate: 1/m, burst: 1}}\n")
    pod = site.pod.start(site.variables, *words)
    assert pod.stdout is not None
    assert any('"target.applied"' in line for line in pod.stdout)

    terminate(pod)
    ended = end(pod)

    assert ended.code == 5, ended.err
    assert site.labels().count("4711") == 1
    continued = site.pod.run(site.variables, *words, "--rate", "100/s")
    assert (continued.code, "Resuming the unfinished run" in continued.err) == (0, True)
    assert site.labels() == ["4711"] * 3


def test_a_pod_writes_to_its_volumes_alone_and_a_token_that_is_refused_is_an_error(
    site: Site,
) -> None:
    site.pod.mounts[ACCOUNT].joinpath("token").write_text("expired")
    words = container_of(of_kind(OVERLAY, "CronJob")[0])["args"]

    ended = site.pod.run(site.variables, *words)

    assert ended.code == 1
    assert "in-cluster" in ended.err
    assert "credentials" in ended.err or "401" in ended.err
    elsewhere = site.pod.run(
        site.variables, "plan", "/etc/fleetpatch/plan.yaml", "--state-dir", "/opt"
    )
    assert elsewhere.code == 1
    assert "/opt" in elsewhere.err
    assert "Read-only file system" in elsewhere.err
