"""`fleetpatch rbac` on a real API server: its rights are enough, and each of them is needed.

Covered: plan, apply, resume after a conflict and undo by a service account with exactly these
rights; the same with each verb of each rule taken away. Left out: which rights other plans need
(tests/rules/planning/test_permissions.py).
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.calling import Caller
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e.fleets import BATCH, delete, merge, namespaces
from tests.e2e.rights import Manifest, collection, is_allowed
from tests.e2e.tool import Tool, eventually, plan

pytestmark = pytest.mark.control_plane

TFJOB = JOB_KINDS["tfjobs.kubeflow.org"]
ACCOUNT = "runner"
MERGE = "application/merge-patch+json"
READY = {"type": "Ready", "status": "True"}


@dataclass(frozen=True)
class Site:
    """Two namespaces with jobs and a TFJob, and a plan for them that an account carries out."""

    plane: ControlPlane
    tool: Tool
    call: Caller
    spaces: list[str]
    jobs: list[str]

    @property
    def lease(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.spaces[0]}/leases/nightly"

    def plan(self, value: str) -> Any:
        """Write a plan that needs every sort of right, and sets a label to `value`."""
        beginning = self.spaces[0].removesuffix("-a")
        document = plan(
            "rights",
            {"kinds": ["jobs.batch"], "namespaces": [f"{beginning}-*"], "selector": "app=etl"},
            {"kinds": ["tfjobs.kubeflow.org"], "namespaces": [self.spaces[0]], "names": ["train"]},
            patch={"labels": {"team": value}},
            lock={"lease": f"{self.spaces[0]}/nightly"},
            waves={
                "sizes": [1, "100%"],
                "check": {
                    "kinds": ["tfjobs.kubeflow.org"],
                    "namespaces": [self.spaces[1]],
                    "condition": "Ready",
                },
            },
        )
        return self.tool.write("plan.yaml", document)

    def touch(self) -> None:
        """Change the objects as another writer does, so that the next patches conflict."""
        for name in self.jobs:
            merge(self.plane, BATCH.path(self.spaces[1], name), touched=secrets.token_hex(4))
        merge(self.plane, TFJOB.path(self.spaces[0], "train"), touched=secrets.token_hex(4))

    def carry_out(self, value: str) -> tuple[int, str]:
        """Plan, apply after a change of another writer; return the exit code and all output."""
        path = self.tool.folder / f"{value}.run"
        planned = self.call("plan", self.plan(value), "--run-file", path)
        if planned.code:
            return planned.code, planned.err
        self.touch()
        ended = self.call("apply", path, "--yes", "-o", "json")
        details = "\n".join(str(one) for one in self.tool.targets(path))
        return ended.code, ended.err + ended.out + details


@pytest.fixture
def site(
    control_plane: ControlPlane, tool: Tool, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> Site:
    spaces = namespaces(control_plane, "a", "b")
    jobs = control_plane.create_jobs(2, spaces[1], labels=lambda _: {"app": "etl"})
    for space, name in zip(spaces, ("train", "ready"), strict=True):
        job = TFJOB.manifest(name)
        assert control_plane.request("POST", TFJOB.path(space), job).status == 201
        path = f"{TFJOB.path(space, name)}/status"
        status = {"status": {"conditions": [READY]}}
        assert control_plane.request("PATCH", path, status, MERGE).status == 200
    accounts = f"/api/v1/namespaces/{spaces[0]}/serviceaccounts"
    account = {"metadata": {"name": ACCOUNT}}
    assert control_plane.request("POST", accounts, account).status == 201
    token = control_plane.request("POST", f"{accounts}/{ACCOUNT}/token", {"spec": {}})
    assert token.status == 201
    file = tool.folder / "account.kubeconfig"
    text = control_plane.kubeconfig(file).read_text()
    file.write_text(text.replace(control_plane.admin_token, token.body["status"]["token"]))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return Site(control_plane, tool, call, spaces, jobs)


def printed(site: Site) -> list[Manifest]:
    account = f"{site.spaces[0]}/{ACCOUNT}"
    ended = site.call("rbac", site.plan("any"), "--service-account", account)
    assert ended.code == 0, ended.err
    return list(YAML(typ="safe").load_all(ended.out))


@contextmanager
def granted(site: Site, manifests: list[Manifest]) -> Iterator[None]:
    """Create roles and bindings; remove them at the end, for they are of the whole cluster."""
    for manifest in manifests:
        answer = site.plane.request("POST", collection(manifest), manifest)
        assert answer.status == 201, answer.body
    try:
        for manifest in manifests:
            for rule in manifest.get("rules", ()):
                await_right(site, manifest, rule, rule["verbs"][-1], allowed=True)
        yield
    finally:
        for manifest in manifests:
            delete(site.plane, f"{collection(manifest)}/{manifest['metadata']['name']}")


def await_right(site: Site, role: Manifest, rule: Manifest, verb: str, *, allowed: bool) -> None:
    """The authorizer learns of a change by a watch."""
    namespace = role["metadata"].get("namespace", "")
    user = f"system:serviceaccount:{site.spaces[0]}:{ACCOUNT}"
    eventually(
        lambda: is_allowed(site.plane, user, rule, verb, namespace) is allowed,
        f"{verb} {rule['resources']} is {'allowed' if allowed else 'refused'}",
    )


@contextmanager
def without(site: Site, role: Manifest, position: int, verb: str) -> Iterator[None]:
    """Take one verb of one rule away."""
    path = f"{collection(role)}/{role['metadata']['name']}"
    rules = [dict(rule) for rule in role["rules"]]
    rules[position]["verbs"] = [one for one in rules[position]["verbs"] if one != verb]
    rules = [rule for rule in rules if rule["verbs"]]
    rule = role["rules"][position]
    assert site.plane.request("PUT", path, role | {"rules": rules}).status == 200
    try:
        await_right(site, role, rule, verb, allowed=False)
        yield
    finally:
        assert site.plane.request("PUT", path, role).status == 200
        await_right(site, role, rule, verb, allowed=True)


@contextmanager
def hidden_lease(site: Site) -> Iterator[None]:
    delete(site.plane, site.lease)
    yield
    collection, _, name = site.lease.rpartition("/")
    made = site.plane.request("POST", collection, {"metadata": {"name": name}})
    assert made.status == 201


def test_the_rights_of_a_plan_are_enough_and_each_of_them_is_needed(site: Site) -> None:
    manifests = printed(site)
    with granted(site, manifests):
        code, said = site.carry_out("red")
        assert code == 0, said
        undone = site.call("undo", site.tool.folder / "red.run", "--yes")
        assert undone.code == 0, undone.err

        verbs = 0
        for role in (one for one in manifests if "rules" in one):
            for position, rule in enumerate(role["rules"]):
                for verb in rule["verbs"]:
                    verbs += 1
                    # An absent Lease is created, and a present one is patched.
                    hide = hidden_lease(site) if verb == "create" else nullcontext()
                    with hide, without(site, role, position, verb):
                        code, said = site.carry_out(f"blue-{verbs}")
                    what = f"{verb} {rule['resources'][0]}"
                    assert code != 0, what
                    assert "forbidden" in said.lower(), f"{what}: {said}"
                    assert f'"{rule["resources"][0]}"' in said.replace("'", '"'), f"{what}: {said}"
        assert verbs == 11
