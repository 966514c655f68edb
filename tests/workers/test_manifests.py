"""deploy/dask: what can be checked of the manifests without nodes.

Covered: references between objects, the schema of a DaskCluster (the rules of its
CustomResourceDefinition, kubernetes.dask.org/v1 of dask-kubernetes 2025.7), names of Dask's
settings, who mounts which secret, the restricted Pod Security Standard, ports and NetworkPolicies;
the commands and variables of the containers, run as processes of this machine.
Left out: the operator, cert-manager, kustomize and the kubelet.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.config
import pytest
from distributed.security import Security
from ruamel.yaml import YAML

from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, end, eventually, plan

FOLDER = Path(__file__).parents[2] / "deploy" / "dask"
POD_SPEC = {
    "automountServiceAccountToken",
    "containers",
    "enableServiceLinks",
    "securityContext",
    "terminationGracePeriodSeconds",
    "volumes",
}
"""The keys of a PodSpec that the manifests use; the schema of the operator has all of them."""

CREDENTIALS = "fleetpatch-kubeconfig"


def documents(name: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all((FOLDER / name).read_text()))


KUSTOMIZATION = documents("kustomization.yaml")[0]
OBJECTS = [one for name in KUSTOMIZATION["resources"] for one in documents(name)]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in OBJECTS if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


CLUSTER = named("DaskCluster", "fleetpatch")
JOB = named("Job", "fleetpatch-coordinator")
PODS: dict[str, dict[str, Any]] = {
    "scheduler": CLUSTER["spec"]["scheduler"]["spec"],
    "worker": CLUSTER["spec"]["worker"]["spec"],
    "coordinator": JOB["spec"]["template"]["spec"],
}
LABELS: dict[str, dict[str, str]] = {
    # Those that the operator sets.
    "scheduler": {"dask.org/cluster-name": "fleetpatch", "dask.org/component": "scheduler"},
    "worker": {"dask.org/cluster-name": "fleetpatch", "dask.org/component": "worker"},
    "coordinator": JOB["spec"]["template"]["metadata"]["labels"],
}
SERVICES: dict[str, dict[str, Any]] = {
    # The operator names the scheduler's Service after the cluster.
    "fleetpatch-scheduler": CLUSTER["spec"]["scheduler"]["service"],
    "fleetpatch-coordinator": named("Service", "fleetpatch-coordinator")["spec"],
}
EACH_POD = pytest.mark.parametrize("role", PODS)


def container(role: str) -> dict[str, Any]:
    (only,) = PODS[role]["containers"]
    found: dict[str, Any] = only
    return found


def variables(role: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(role)["env"]}


def port(role: str, name: str = "tcp-comm") -> int:
    (found,) = [one["containerPort"] for one in container(role)["ports"] if one["name"] == name]
    return int(found)


def test_a_dask_cluster_has_what_its_schema_requires_and_nothing_else() -> None:
    assert CLUSTER["apiVersion"] == "kubernetes.dask.org/v1"
    assert CLUSTER["spec"].keys() == {"scheduler", "worker"}
    assert CLUSTER["spec"]["scheduler"].keys() == {"spec", "service"}
    assert CLUSTER["spec"]["worker"].keys() == {"replicas", "spec"}
    assert isinstance(CLUSTER["spec"]["worker"]["replicas"], int)
    for role in ("scheduler", "worker"):
        assert PODS[role].keys() <= POD_SPEC
        for one in PODS[role]["containers"]:
            assert all(isinstance(word, str) for word in one["args"])
            assert all(isinstance(entry["value"], str) for entry in one["env"])
    # The operator reads the type of this Service, and its name is derived from the cluster's.
    assert CLUSTER["spec"]["scheduler"]["service"]["type"] == "ClusterIP"
    assert len(f"{CLUSTER['metadata']['name']}-scheduler") <= 63


@EACH_POD
def test_every_volume_leads_to_an_object_and_every_mount_to_a_volume(role: str) -> None:
    certificates = {one["spec"]["secretName"] for one in OBJECTS if one["kind"] == "Certificate"}
    secrets = certificates | {one["name"] for one in KUSTOMIZATION["secretGenerator"]}
    maps = {one["name"] for one in KUSTOMIZATION["configMapGenerator"]}
    claims = {one["metadata"]["name"] for one in OBJECTS if one["kind"] == "PersistentVolumeClaim"}
    for volume in PODS[role]["volumes"]:
        match volume:
            case {"secret": {"secretName": name}}:
                assert name in secrets
            case {"configMap": {"name": name}}:
                assert name in maps
            case {"persistentVolumeClaim": {"claimName": name}}:
                assert name in claims
            case _:
                assert volume.keys() == {"name", "emptyDir"}
    mounted = {one["name"] for one in container(role)["volumeMounts"]}
    assert mounted == {one["name"] for one in PODS[role]["volumes"]}


def test_the_names_that_kustomize_generates_do_not_change() -> None:
    assert KUSTOMIZATION["generatorOptions"]["disableNameSuffixHash"]
    assert {one["image"] for role in PODS for one in [container(role)]} == {
        one["name"] for one in KUSTOMIZATION["images"]
    }


def test_certificates_are_issued_by_a_ca_whose_key_no_pod_mounts() -> None:
    issuers = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "Issuer"}
    for one in OBJECTS:
        if one["kind"] == "Certificate":
            assert one["spec"]["issuerRef"]["name"] in issuers
    key = issuers["fleetpatch-ca"]["ca"]["secretName"]
    mounted = {role: _secrets(role) for role in PODS}
    assert all(key not in secrets for secrets in mounted.values())
    # Each role has a certificate of its own.
    assert len({name for secrets in mounted.values() for name in secrets}) == len(PODS) + 1
    for name in mounted["coordinator"] | mounted["scheduler"]:
        assert set(named("Certificate", name)["spec"]["usages"]) == {"server auth", "client auth"}


def _secrets(role: str) -> set[str]:
    return {one["secret"]["secretName"] for one in PODS[role]["volumes"] if "secret" in one}


def test_the_credentials_are_on_the_workers_only() -> None:
    assert {role for role in PODS if CREDENTIALS in _secrets(role)} == {"worker"}
    assert CREDENTIALS not in json.dumps([PODS["scheduler"], PODS["coordinator"]])


@EACH_POD
def test_a_variable_of_dask_is_a_setting_that_dask_has(role: str) -> None:
    settings = {name for name in variables(role) if name.startswith("DASK_")}
    # Read by `dask worker` in place of its argument.
    settings -= {"DASK_SCHEDULER_ADDRESS"}
    assert settings
    with dask.config.set({}):
        for name in settings:
            key = name.removeprefix("DASK_").lower().replace("__", ".")
            dask.config.get(dask.config.canonical_name(key, dask.config.config))
            assert dask.config.get(key, default=_MISSING) is not _MISSING, name


_MISSING = object()


@EACH_POD
def test_a_role_encrypts_and_has_the_certificate_of_its_role(role: str) -> None:
    found = dask.config.merge(dask.config.config, dask.config.collect_env(variables(role)))
    with dask.config.set(found):
        security = Security()
    tls = security.get_tls_config_for_role("client" if role == "coordinator" else role)
    assert security.require_encryption
    assert {name: tls[name] for name in ("ca_file", "cert", "key")} == {
        "ca_file": "/etc/dask/tls/ca.crt",
        "cert": "/etc/dask/tls/tls.crt",
        "key": "/etc/dask/tls/tls.key",
    }


@EACH_POD
def test_a_pod_is_restricted_and_has_no_account(role: str) -> None:
    pod = PODS[role]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(role)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    namespace = named("Namespace", KUSTOMIZATION["namespace"])["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"


def test_each_service_leads_to_the_port_of_its_pods_and_each_address_to_a_service() -> None:
    for name, service in SERVICES.items():
        role = name.removeprefix("fleetpatch-")
        assert service["selector"].items() <= LABELS[role].items()
        for one in service["ports"]:
            assert one["port"] == port(role, one["targetPort"])
    scheduler = "tls://fleetpatch-scheduler:8786"
    assert variables("worker")["DASK_SCHEDULER_ADDRESS"] == scheduler
    assert variables("coordinator")["FLEETPATCH_WORKERS"] == scheduler
    assert variables("coordinator")["FLEETPATCH_CONTACT_ADDRESS"] == (
        "tls://fleetpatch-coordinator:8790"
    )
    assert variables("coordinator")["FLEETPATCH_LISTEN_ADDRESS"].endswith(f":{port('coordinator')}")
    words = container("worker")["args"]
    assert int(words[words.index("--worker-port") + 1]) == port("worker")


def test_the_policies_allow_these_connections_between_the_pods_and_no_others() -> None:
    rules = [one["spec"] for one in OBJECTS if one["kind"] == "NetworkPolicy"]
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in rules
    allowed = {
        (source, target, port(target))
        for source in PODS
        for target in PODS
        if _allows(rules, "egress", "to", source, target)
        and _allows(rules, "ingress", "from", target, source)
    }
    assert allowed == {
        ("worker", "scheduler", 8786),
        ("coordinator", "scheduler", 8786),
        ("scheduler", "worker", 8788),
        ("worker", "coordinator", 8790),
    }


def _allows(rules: list[dict[str, Any]], direction: str, peers: str, of: str, other: str) -> bool:
    """Report whether a policy for the pods `of` allows the port of the connection's target."""
    number = port(other if direction == "egress" else of)
    return any(
        peer["podSelector"]["matchLabels"].items() <= LABELS[other].items()
        for spec in rules
        if spec["podSelector"].get("matchLabels", {}).items() <= LABELS[of].items()
        for rule in spec.get(direction, ())
        if number in [one["port"] for one in rule["ports"]]
        for peer in rule[peers]
        if "podSelector" in peer
    )


def test_only_workers_and_the_coordinator_reach_other_machines_and_only_api_servers() -> None:
    outside = {
        one["metadata"]["name"]: {entry["port"] for entry in rule["ports"]}
        for one in OBJECTS
        if one["kind"] == "NetworkPolicy"
        for rule in one["spec"].get("egress", ())
        for peer in rule["to"]
        if "ipBlock" in peer
    }
    assert outside == {"fleetpatch-worker": {443, 6443}, "fleetpatch-coordinator": {443, 6443}}


def test_the_readme_lists_every_file() -> None:
    text = (FOLDER / "README.md").read_text()
    files = {one.name for one in FOLDER.iterdir()} - {"README.md"}
    assert all(f"`{name}`" in text for name in files)


@contextmanager
def process(role: str, replaced: Mapping[str, str], *more: str) -> Iterator[Any]:
    """Run the command of a container with its variables; `replaced` maps texts in both."""

    def here(text: str) -> str:
        for old, new in replaced.items():
            text = text.replace(old, new)
        return text

    words = [here(word) for word in container(role)["args"]]
    assert words.pop(0) == "dask"
    environment = {name: here(value) for name, value in variables(role).items()}
    started = subprocess.Popen(
        [sys.executable, "-m", "dask", *words, *more],
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


def test_the_commands_of_the_containers_carry_out_a_plan_with_tls_and_credentials_on_the_worker(
    tmp_path: Path,
) -> None:
    """Scheduler, worker and coordinator as processes, with the paths and ports of this machine."""
    certificates = Security.temporary()
    tls = tmp_path / "tls"
    tls.mkdir()
    (tls / "ca.crt").write_text(certificates.tls_ca_file)
    (tls / "tls.crt").write_text(certificates.tls_worker_cert)
    (tls / "tls.key").write_text(certificates.tls_worker_key)
    comm, health, worker = free_ports(3)
    replaced = {
        "/etc/dask/tls": str(tls),
        "/etc/fleetpatch/kubeconfig": str(tmp_path / "kubeconfig"),
        "fleetpatch-scheduler:8786": f"127.0.0.1:{comm}",
        "8786": str(comm),
        "8788": str(worker),
        "$(DASK_WORKER_NAME)": "worker-0",
        "/tmp": str(tmp_path),
    }
    tool = Tool(tmp_path, tmp_path / "addresses")
    with (
        sandbox(Tool(tmp_path), jobs=50) as server,
        process("scheduler", replaced, "--dashboard-address", f"127.0.0.1:{health}"),
    ):
        with_credentials = json.loads(server.kubeconfig.read_text())
        (tmp_path / "kubeconfig").write_text(json.dumps(with_credentials))
        without = with_credentials | {
            "users": [{"name": one["name"], "user": {}} for one in with_credentials["users"]]
        }
        (tmp_path / "addresses").write_text(json.dumps(without))
        eventually(lambda: _answers(health, "health"), "the scheduler to live")
        assert not _answers(health, "json/identity.json")
        assert not _answers(health, "info/main/workers.html")
        with process("worker", replaced, "--host", "127.0.0.1"):
            file = tool.write(
                "plan.yaml",
                plan(
                    "far",
                    {"kinds": ["jobs.batch"], "selector": "app"},
                    patch={"labels": {"far": "yes"}},
                ),
            )
            words = ["apply", file, "--yes", "-o", "json"]
            assert container("coordinator")["args"][:2] == ["fleetpatch", "apply"]
            settings = {
                name: value.replace("/etc/dask/tls", str(tls)).replace(
                    "fleetpatch-scheduler:8786", f"127.0.0.1:{comm}"
                )
                for name, value in variables("coordinator").items()
                if name.startswith("DASK_") or name == "FLEETPATCH_WORKERS"
            }
            # The expansion lists with the coordinator's own credentials until workers list.
            planned = Tool(tmp_path, tmp_path / "kubeconfig").run("plan", file, "-o", "json").json
            words[1] = planned["run"]
            started = {**tool.variables, **settings}
            ended = end(Tool(tmp_path, tmp_path / "addresses", started).fork(*words))
        assert ended.code == 0, ended.err
        assert ended.json["outcomes"]["applied"] == 10
        assert sum(server.patches().values()) == 10


def _answers(number: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
