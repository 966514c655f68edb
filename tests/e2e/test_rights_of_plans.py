"""`fleetpatch rbac` for the worked plans in plans/, on a real API server: enough, and not too much.

Covered, for each plan whose kinds the server has: with exactly the printed rights plan, apply,
verify and undo work; with one verb of one rule taken away the command that needs it fails, and its
message names the verb and the kind. Left out: Lease, check and names (test_rights.py), plans for
CCI, which has no RBAC, and JobSets, which this server does not have.
"""

import json
import secrets
import shutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.calling import Caller
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e.fleets import delete, namespaces
from tests.e2e.rights import Manifest, collection, is_allowed
from tests.e2e.tool import Tool, eventually
from tests.server_versions import Expected

pytestmark = pytest.mark.control_plane

FOLDER = Path(__file__).parents[2] / "plans"
MERGE = "application/merge-patch+json"
JOBS, VOLCANO_JOBS = "jobs.batch", "jobs.batch.volcano.sh"
TFJOBS, MXJOBS, PYTORCHJOBS = (
    f"{kind}.kubeflow.org" for kind in ("tfjobs", "mxjobs", "pytorchjobs")
)
TEMPLATE: Any = {
    "spec": {"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"},
}
CONTEXT = "prod-a"
"""The context that the plans name."""

KINDS = {
    "demo-relabel": tuple(JOB_KINDS),
    "batch-job-cost-centre": (JOBS,),
    "batch-job-cost-table": (JOBS,),
    "batch-job-keep-logs": (JOBS,),
    "batch-job-pause": (JOBS,),
    "cronjob-cost-centre": ("cronjobs.batch", JOBS, "pods"),
    "volcano-job-workers": (VOLCANO_JOBS,),
    "tfjob-take-over": (TFJOBS,),
    "pytorchjob-owner": (PYTORCHJOBS,),
    "mxjob-retire": (MXJOBS,),
}
"""The plans, and the kinds of their targets: one object of each is made."""

ELSEWHERE = {"jobset-suspend"}
"""A plan for a kind that the server does not have."""


def test_each_plan_for_kubernetes_is_in_the_table() -> None:
    names = {path.stem for path in FOLDER.glob("*.yaml") if not path.stem.startswith("cci-")}
    assert names == KINDS.keys() | ELSEWHERE


@dataclass(frozen=True)
class Site:
    """A namespace with one object of each kind of a plan, and the plan for just these."""

    plane: ControlPlane
    tool: Tool
    call: Caller
    name: str
    space: str
    paths: list[str]

    @property
    def beginning(self) -> str:
        return self.space.removesuffix("team-a")

    @property
    def plan(self) -> Path:
        return self.tool.folder / "plan.yaml"

    def touch(self) -> None:
        """Change the objects as another writer does, so that the next patches conflict."""
        for path in self.paths:
            body = {"metadata": {"annotations": {"touched": secrets.token_hex(4)}}}
            assert self.plane.request("PATCH", path, body, MERGE).status == 200

    def put_back(self, objects: dict[str, Any]) -> None:
        """Restore the objects, as `read` has returned them."""
        for path, before in objects.items():
            now = self.plane.request("GET", path).body["metadata"]["resourceVersion"]
            body = before | {"metadata": before["metadata"] | {"resourceVersion": now}}
            assert self.plane.request("PUT", path, body).status == 200

    def read(self) -> dict[str, Any]:
        return {path: self.plane.request("GET", path).body for path in self.paths}

    def sign_in(self, monkeypatch: pytest.MonkeyPatch, user: str = "") -> None:
        """Use the cluster as this user, whom the administrator impersonates."""
        file = self.plane.kubeconfig(self.tool.folder / "kubeconfig", context=CONTEXT)
        config = YAML(typ="safe").load(file)
        if user:
            config["users"][0]["user"]["as"] = user
        file.write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(file))


@pytest.fixture
def site(
    request: pytest.FixtureRequest, control_plane: ControlPlane, tool: Tool, call: Caller
) -> Iterator[Site]:
    name: str = request.param
    (space,) = namespaces(control_plane, "team-a")
    paths = list(_objects(control_plane, name, space))
    made = Site(control_plane, tool, call, name, space, paths)
    tool.write("plan.yaml", _fitted(name, made.beginning))
    yield made
    for path in paths:
        delete(control_plane, path)


def _fitted(name: str, beginning: str) -> Any:
    """The plan for the namespaces with this beginning, and for no objects of other tests."""
    plan = YAML(typ="safe").load(FOLDER / f"{name}.yaml")
    plan["fleet"] = [one for one in plan.get("fleet", []) if one.get("provider") != "cci"] or [
        {"name": CONTEXT, "context": CONTEXT}
    ]
    for block in plan["targets"]:
        block["selector"] += f", site={beginning}x"
        if patterns := block.get("namespaces"):
            here = [
                f"!{beginning}{one[1:]}" if one[0] == "!" else beginning + one for one in patterns
            ]
            block["namespaces"] = here
    for table in plan.get("tables", {}).values():
        table["file"] = str(FOLDER / table["file"])
    return plan


def _objects(plane: ControlPlane, name: str, space: str) -> Iterator[str]:
    """Create an object of each kind of a plan, and yield their paths.

    A CronJob owns the next object, and that the one after it.
    """
    kinds = KINDS[name]
    labels = {
        "app": "etl" if name == "batch-job-cost-centre" else "train",
        "tier": "std",
        "team": "etl",
        "owner": "ann",
        "report": "nightly",
        "site": f"{space.removesuffix('team-a')}x",
    }
    owner: Any = None
    chained = kinds[0].startswith("cronjobs")
    for kind in kinds:
        path, body = _manifest(plane, kind, space)
        body["metadata"] = {"name": "train", "labels": labels}
        if owner:
            names = {key: owner["metadata"][key] for key in ("name", "uid")}
            reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **names}
            body["metadata"]["ownerReferences"] = [reference]
        made = plane.request("POST", path, body)
        assert made.status == 201, made.body
        owner = made.body if chained else None
        yield f"{path}/train"


def _manifest(plane: ControlPlane, kind: str, space: str) -> tuple[str, Any]:
    if kind == "pods":
        # Without an account that nothing makes here, a pod is refused.
        spec = {**TEMPLATE["spec"], "automountServiceAccountToken": False}
        accounts = f"/api/v1/namespaces/{space}/serviceaccounts"
        plane.request("POST", accounts, {"metadata": {"name": "default"}})
        return f"/api/v1/namespaces/{space}/pods", {"apiVersion": "v1", "kind": "Pod", "spec": spec}
    if kind.startswith("cronjobs"):
        job = {"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}}
        version = Expected.of(plane).cron_jobs
        head = {"apiVersion": version, "kind": "CronJob"}
        return f"/apis/{version}/namespaces/{space}/cronjobs", {**head, "spec": job}
    manifest = deepcopy(JOB_KINDS[kind].manifest("train"))
    if kind == VOLCANO_JOBS:
        task = manifest["spec"]["tasks"][0]
        manifest["spec"]["tasks"] = [task, {**task, "name": "mpiworker", "replicas": 2}]
    return JOB_KINDS[kind].path(space), manifest


@dataclass(frozen=True)
class Rights:
    """Roles and bindings for one user; `verb` of `resource` is what they lack, if anything."""

    user: str
    manifests: list[Manifest]
    verb: str = ""
    resource: str = ""


def complete(site: Site) -> Rights:
    """Print the rights of the plan for an account."""
    ended = site.call("rbac", site.plan, "--service-account", f"{site.space}/full")
    assert ended.code == 0, ended.err
    manifests = list(YAML(typ="safe").load_all(ended.out))
    return Rights(f"system:serviceaccount:{site.space}:full", manifests)


def reduced(site: Site, full: Rights) -> Iterator[Rights]:
    """Yield the rights of further accounts, of which each lacks one verb of one rule."""
    roles = [one for one in full.manifests if "rules" in one]
    verbs = [
        (role, rule, verb)
        for role, one in enumerate(roles)
        for rule, it in enumerate(one["rules"])
        for verb in it["verbs"]
    ]
    for number, (role, rule, verb) in enumerate(verbs):
        renamed = json.dumps(full.manifests).replace('"full"', f'"less-{number}"')
        manifests = json.loads(renamed.replace(f'"{_role(full)}"', f'"{_role(full)}-{number}"'))
        changed = [one for one in manifests if "rules" in one][role]["rules"][rule]
        changed["verbs"].remove(verb)
        user = f"system:serviceaccount:{site.space}:less-{number}"
        yield Rights(user, _without_empty_rules(manifests), verb, changed["resources"][0])


def _role(rights: Rights) -> str:
    name: str = rights.manifests[0]["metadata"]["name"]
    return name


def _without_empty_rules(manifests: list[Manifest]) -> list[Manifest]:
    for one in manifests:
        if "rules" in one:
            one["rules"] = [rule for rule in one["rules"] if rule["verbs"]]
    return manifests


def grant(site: Site, rights: Rights) -> None:
    for manifest in rights.manifests:
        answer = site.plane.request("POST", collection(manifest), manifest)
        assert answer.status == 201, answer.body


def await_rights(site: Site, rights: Rights) -> None:
    """The authorizer learns of a change by a watch."""
    for manifest in rights.manifests:
        namespace = manifest["metadata"].get("namespace", "")
        for rule in manifest.get("rules", ()):
            await_right(site, rights.user, rule, namespace)


def await_right(site: Site, user: str, rule: Manifest, namespace: str) -> None:
    verb = rule["verbs"][-1]
    eventually(
        lambda: is_allowed(site.plane, user, rule, verb, namespace),
        f"{verb} {rule['resources']} is allowed",
    )


@pytest.mark.parametrize("site", KINDS, indirect=True)
def test_the_rights_of_a_worked_plan_are_enough_and_each_of_them_is_needed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.sign_in(monkeypatch)
    full = complete(site)
    everyone = [full, *reduced(site, full)]
    try:
        for rights in everyone:
            grant(site, rights)
        for rights in everyone:
            await_rights(site, rights)
        site.sign_in(monkeypatch, full.user)
        run = site.tool.folder / "full.run"
        planned = site.call("plan", site.plan, "--run-file", run)
        assert planned.code == 0, planned.err
        before = site.read()
        for rights in everyone[1:]:
            site.sign_in(monkeypatch, rights.user)
            _fails(site, rights, run)
            # What the account may change it has changed.
            site.put_back(before)
        site.sign_in(monkeypatch, full.user)
        for words in (("apply", run, "--yes"), ("verify", run), ("undo", run, "--yes")):
            ended = site.call(*words, "-o", "json")
            assert ended.code == 0, ended.out + ended.err
        assert ended.json["outcomes"]["applied"] == len(site.paths)
    finally:
        for manifest in (one for rights in everyone for one in rights.manifests):
            delete(site.plane, f"{collection(manifest)}/{manifest['metadata']['name']}")


def _fails(site: Site, rights: Rights, planned: Path) -> None:
    """Check that the command which needs the missing verb fails, and says so."""
    if rights.verb == "list":
        ended = site.call("plan", site.plan)
        details = ""
    else:
        if rights.verb == "get":
            site.touch()
        # A run file is a file: each account carries out its own copy of the planned run.
        copy = planned.with_name(f"{rights.user.rpartition(':')[2]}.run")
        shutil.copy(planned, copy)
        ended = site.call("apply", copy, "--yes", "-o", "json")
        details = "\n".join(str(one) for one in site.tool.targets(copy))
    what = f"{rights.verb} {rights.resource}"
    said = ended.err + ended.out + details
    assert ended.code != 0, what
    assert "forbidden" in said.lower(), f"{what}: {said}"
    assert f'cannot {rights.verb} resource "{rights.resource}"' in said.replace("'", '"').replace(
        '\\"', '"'
    ), f"{what}: {said}"
