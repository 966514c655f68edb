"""deploy/: the overlays, the image and the units, as far as that needs no node.

Covered: the schemas of Kubernetes 1.30 to 1.36, a dry run on a real API server of the kinds that it
has, references between objects, the rights against what `fleetpatch rbac` prints, the restricted
Pod Security Standard, exit codes, the image, systemd's own checks, the line for cron.
Left out: the pod's command (test_pod.py), deploy/dask (tests/workers/test_manifests.py).
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fleetpatch.engine.shutdown import DRAIN
from fleetpatch.errors import Exit
from tests import needs
from tests.control_plane import ControlPlane
from tests.deploy.manifests import (
    FOLDER,
    OVERLAYS,
    PLANS,
    Manifest,
    container_of,
    of_kind,
    pod_of,
    rendered,
)
from tests.deploy.schemas import RELEASES, validate
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool
from tests.server_versions import Expected

EACH_OVERLAY = pytest.mark.parametrize("overlay", OVERLAYS)
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
}


@pytest.mark.parametrize("release", RELEASES)
def test_every_object_is_valid_by_the_schemas_of_each_release(release: str) -> None:
    for overlay in OVERLAYS:
        for one in rendered(overlay):
            validate(one, release)


def test_a_mistake_would_be_found_by_these_schemas() -> None:
    job = json.loads(json.dumps(of_kind("one-plan", "CronJob")[0]))
    job["spec"]["jobTemplate"]["spec"]["podFailurPolicy"] = {}
    with pytest.raises(Exception, match="podFailurPolicy"):
        validate(job, "1.36")


@pytest.mark.control_plane
@EACH_OVERLAY
def test_a_real_server_accepts_the_kinds_that_it_has(
    control_plane: ControlPlane, expected: Expected, overlay: str
) -> None:
    space = control_plane.namespace()
    accepted = 0
    kinds = PATHS.keys() - ({"CronJob"} if expected.cron_jobs != "batch/v1" else set())
    for one in [*rendered(overlay), *map(job_of, of_kind(overlay, "CronJob"))]:
        if one["kind"] in kinds:
            # Where the namespace of the manifests need not exist.
            here = f'"namespace": "{space}"'
            body = json.loads(json.dumps(one).replace('"namespace": "fleetpatch"', here))
            if "namespace" not in body["metadata"]:  # test_pod creates some of these
                body["metadata"]["name"] += f"-{space}"
            path = f"{PATHS[one['kind']].format(space)}?dryRun=All"
            answer = control_plane.request("POST", path, body)
            assert answer.status == 201, answer.body
            accepted += 1
    assert accepted >= 10


def job_of(cron_job: Manifest) -> Manifest:
    """The Job that a CronJob makes: before 1.21 a server has no CronJob of batch/v1."""
    metadata = {key: cron_job["metadata"][key] for key in ("name", "namespace")}
    spec = cron_job["spec"]["jobTemplate"]["spec"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.parent.name)
def test_the_rights_are_those_that_rbac_prints_for_the_plan(tool: Tool, plan: Path) -> None:
    text = plan.with_name("rbac.yaml").read_text()
    (binding, *_) = [one for one in YAML(typ="safe").load_all(text) if "subjects" in one]
    (subject,) = binding["subjects"]
    with sandbox(tool, jobs=0):
        account = f"{subject['namespace']}/{subject['name']}"
        ended = tool.run("rbac", plan, "--service-account", account)

    assert ended.out == text
    assert tool.run("validate", plan).code == 0


@EACH_OVERLAY
def test_every_reference_leads_to_an_object_of_the_overlay(overlay: str) -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in rendered(overlay)}
    for one in of_kind(overlay, "CronJob"):
        pod = pod_of(one)
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert ("ConfigMap", volumes["plan"]["configMap"]["name"]) in names
        claim = volumes["state"]["persistentVolumeClaim"]["claimName"]
        assert ("PersistentVolumeClaim", claim) in names
        mounts = {mount["name"]: mount for mount in container_of(one)["volumeMounts"]}
        assert mounts.keys() == volumes.keys()
        assert mounts["plan"]["readOnly"]
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for one in of_kind(overlay, kind):
            assert (one["roleRef"]["kind"], one["roleRef"]["name"]) in names
            assert [("ServiceAccount", to["name"]) in names for to in one["subjects"]] == [True]


def test_no_two_plans_share_an_account_a_volume_or_a_configuration() -> None:
    pods = [pod_of(one) for one in of_kind("many-plans", "CronJob")]
    assert len(pods) == len({pod["serviceAccountName"] for pod in pods}) == 2
    for name in ("plan", "state"):
        volumes = [json.dumps(v) for pod in pods for v in pod["volumes"] if v["name"] == name]
        assert len(set(volumes)) == 2


@EACH_OVERLAY
def test_pods_comply_with_the_restricted_standard(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for one in of_kind(overlay, "CronJob"):
        pod, container = pod_of(one), container_of(one)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        kinds = {key for volume in pod["volumes"] for key in volume.keys() - {"name"}}
        assert kinds == {"configMap", "persistentVolumeClaim", "emptyDir"}
    # Nothing is accepted, and only names and API servers are asked.
    (policy,) = of_kind(overlay, "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 443, 6443}


@EACH_OVERLAY
def test_a_job_knows_the_exit_codes_and_leaves_time_for_the_drain(overlay: str) -> None:
    for one in of_kind(overlay, "CronJob"):
        assert one["spec"]["concurrencyPolicy"] == "Forbid"
        job = one["spec"]["jobTemplate"]["spec"]
        evicted, ended = job["podFailurePolicy"]["rules"]
        assert evicted["action"] == "Ignore"
        assert evicted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
        assert ended["action"] == "FailJob"
        assert ended["onExitCodes"]["containerName"] == container_of(one)["name"]
        # All that a person must decide, or that the next call continues; only 1 is tried again.
        assert set(ended["onExitCodes"]["values"]) == set(Exit) - {Exit.OK, Exit.BROKEN}
        assert job["backoffLimit"] > 0
        pod = pod_of(one)
        assert pod["restartPolicy"] == "Never"
        # Requests in flight, and a read of what may have been applied.
        assert pod["terminationGracePeriodSeconds"] >= DRAIN + 30


IMAGE = (FOLDER / "Containerfile").read_text()


def test_the_image_needs_no_root_no_shell_and_no_writable_folder() -> None:
    build, final = re.split(r"(?m)^FROM .*$", IMAGE)[1:]
    user = re.search(r"(?m)^USER (\d+):\d+$", final)
    assert user is not None
    pod = pod_of(of_kind("one-plan", "CronJob")[0])
    assert int(user[1]) == pod["securityContext"]["runAsUser"] > 0
    # A command that is a list needs no shell. Only the build stage runs a shell.
    assert 'ENTRYPOINT ["/opt/fleetpatch/bin/fleetpatch"]' in final
    assert "\nRUN " in build
    assert "\nRUN " not in final
    assert "--compile" in build
    for label in ("title", "version", "revision", "source", "licenses"):
        assert f"org.opencontainers.image.{label}=" in final
    assert re.findall(r"(?m)^ARG (\w+)", IMAGE) == [
        *("PYTHON", "EXTRAS", "VERSION", "REVISION", "SOURCE")
    ]


def test_the_image_is_built_of_all_that_the_package_needs() -> None:
    copied = {
        word
        for line in re.findall(r"(?m)^COPY (?!--from)(.*)$", IMAGE)
        for word in line.split()[:-1]
    }
    root = FOLDER.parent
    assert all((root / name).exists() for name in copied)
    project = tomllib.loads((root / "pyproject.toml").read_text())
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed |= {*wheel["packages"], *wheel["force-include"]}
    assert copied == needed
    words = " ".join(re.findall(r"EXTRAS=([\w,]+)", IMAGE)).replace(",", " ").split()
    assert set(words) <= project["project"]["optional-dependencies"].keys()


UNITS = FOLDER / "systemd"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The units for one plan, with a command that exists here."""
    needs.program("systemd-analyze")
    for name in ("service", "timer"):
        text = (UNITS / f"fleetpatch@.{name}").read_text()
        text = text.replace("/usr/local/bin/fleetpatch", "/bin/true")
        (tmp_path / f"fleetpatch@nightly.{name}").write_text(text)
    return tmp_path / "fleetpatch@nightly.service"


def analyzed(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_systemd_accepts_the_units(unit: Path) -> None:
    ended = analyzed("verify", "--man=no", unit, unit.with_suffix(".timer"))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_service_has_few_rights(unit: Path) -> None:
    ended = analyzed("security", "--offline=yes", "--threshold=20", unit)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_command_of_the_service_and_of_cron_is_one_that_fleetpatch_has(tool: Tool) -> None:
    service = (UNITS / "fleetpatch@.service").read_text()
    (start,) = re.findall(r"(?m)^ExecStart=\S+ (.*)$", service)
    cron = (FOLDER / "cron" / "fleetpatch").read_text()
    (line,) = re.findall(r"(?m)^\d.* fleetpatch (apply [^;>]*)", cron)
    with sandbox(tool, jobs=50):
        for words in (start.replace("%i", "cost-centre").split(), line.split()):
            plan = tool.write("plan.yaml", (PLANS[0].with_name("plan.yaml")).read_text())
            here = [str(plan) if one.endswith(".yaml") else one for one in words]
            here = ["log.jsonl" if one.endswith(".jsonl") else one for one in here]
            assert tool.run(*here, "--dry-run").code == 0, here
    # Exit code 5 is as planned for both.
    assert "SuccessExitStatus=5" in service
    assert "0|5)" in cron


def test_the_readme_lists_every_file() -> None:
    text = (FOLDER / "README.md").read_text()
    files = [path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file()]
    # These folders have pages of their own, or are listed as a whole.
    elsewhere = {"dask", "prometheus", "grafana", "overlays"}
    for name in files:
        if name.parts[0] not in elsewhere and name.name not in {"README.md", "kustomization.yaml"}:
            assert f"`{name}`" in text, name
    assert all(f"`overlays/{name}`" in text for name in OVERLAYS)
