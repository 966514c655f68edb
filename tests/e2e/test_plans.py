"""The worked plans in plans/: each is carried out and undone, as its reader would do it.

Covered: every plan on sandboxes, and those for Kubernetes on a real API server, too, over a copy of
the same fleet; that they are valid as they stand, in the guide's table, and have a test; that the
guide's examples are valid. What a plan must do to which object is in worked_plans.py.
Left out: other patches than those (tests/e2e/cci, test_patch_bodies.py).
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.calling import Caller
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e import fleets, logins
from tests.e2e.campaigns import Object, Objects, there_and_back
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool
from tests.e2e.witnesses import Server, objects
from tests.e2e.worked_plans import ALL_PLANS, APPLY, CASES, FOLDER, PLANS, TFJOBS, Patching


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SandboxServer]]:
    """One for each provider, with the same fleet."""
    with ExitStack() as stack:
        yield {
            provider: stack.enter_context(
                sandbox(
                    Tool(tmp_path_factory.mktemp(provider)),
                    provider=provider,
                    jobs=150,
                    namespaces=7,
                )
            )
            for provider in ("kubernetes", "cci")
        }


@pytest.fixture(scope="module")
def copied(control_plane: ControlPlane, sandboxes: dict[str, SandboxServer]) -> str:
    """The prefix of the namespaces into which the fleet is copied on the real control plane."""
    found = objects(sandboxes["kubernetes"].client)
    spaces = sorted({space for _, space, _ in found})
    names = dict(zip(spaces, fleets.namespaces(control_plane, *spaces), strict=True))
    for (kind, space, _), one in found.items():
        path = JOB_KINDS[kind].path(names[space])
        answer = control_plane.request("POST", path, _anew(one))
        assert answer.status == 201, answer.body
    return names[spaces[0]].removesuffix(spaces[0])


def _anew(one: Object) -> Object:
    """An object as it would be made, without what a server puts into it."""
    made = deepcopy(one)
    made["metadata"] = {key: one["metadata"][key] for key in ("name", "labels")}
    made["metadata"]["annotations"] = one["metadata"].get("annotations") or {}
    made.pop("status", None)
    # Only batch Jobs have one.
    if "selector" in made["spec"]:
        del made["spec"]["selector"], made["spec"]["template"]["metadata"]
    return made


@dataclass(frozen=True)
class Place:
    """Where a plan is carried out: a server for each provider.

    `beginning` is what the namespaces begin with on the one for Kubernetes.
    """

    sandboxes: dict[str, SandboxServer]
    kubernetes: Any
    context: str
    beginning: str = ""

    def server(self, provider: str) -> Server:
        server: Server = (
            self.kubernetes if provider == "kubernetes" else self.sandboxes["cci"].client
        )
        return server

    def read(self, providers: tuple[str, ...]) -> Objects:
        """Return all job objects on the servers of these providers."""
        return {
            (provider, *key): one
            for provider in providers
            for key, one in objects(
                self.server(provider),
                beginning=self.beginning if provider == "kubernetes" else "",
            ).items()
        }

    def fit(self, document: Any, folder: Path) -> Any:
        """Return the plan with the servers and namespaces of this environment."""
        for cluster in document.get("fleet", []):
            if cluster.get("provider") == "cci":
                cluster.update(self._log_in(cluster["auth"], folder))
            else:
                cluster["context"] = self.context
        for block in document["targets"] if self.beginning else []:
            block["namespaces"] = self._namespaces(block.get("namespaces", []))
        return document

    def _log_in(self, auth: Object, folder: Path) -> Object:
        server = self.sandboxes["cci"]
        known = {way: logins.auth(server, way, folder) for way in logins.WAYS}
        (way,) = (way for way, example in known.items() if _form(example) == _form(auth))
        return {"server": server.server, "auth": known[way]}

    def _namespaces(self, patterns: list[str]) -> list[str]:
        """A block's namespaces on both servers: those of the copy, and the sandbox's own."""
        here = [re.sub("^!?", rf"\g<0>{self.beginning}", one) for one in patterns]
        if all(one.startswith("!") for one in patterns):
            here += [f"{self.beginning}*", "team-*", "platform"]
        return [*here, *patterns]


def _form(auth: Object) -> set[tuple[str, str]]:
    """Which keys the way to log in has."""
    return {(way, key) for way, keys in auth.items() for key in keys}


def carry_out(name: str, place: Place, call: Caller, tool: Tool) -> Any:
    case = CASES[name]
    case.hands(Patching(place.kubernetes, place.beginning))

    def change(found: Objects) -> None:
        for (_, kind, _, _), one in found.items():
            if kind in case.kinds and case.selects(one):
                case.change(one)

    for table in FOLDER.glob("*.csv"):
        tool.write(table.name, table.read_text())
    document = place.fit(YAML(typ="safe").load(PLANS[name]), tool.folder)
    file = tool.write(name, document)
    return there_and_back(call, file, lambda: place.read(case.providers), change)


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_changes_the_sandbox_as_written_and_undo_restores_it(
    name: str,
    sandboxes: dict[str, SandboxServer],
    call: Caller,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(sandboxes["kubernetes"].kubeconfig))
    for key, value in sandboxes["cci"].credentials.items():
        monkeypatch.setenv(key, value)

    carry_out(name, Place(sandboxes, sandboxes["kubernetes"].client, "sandbox"), call, tool)


def test_after_the_take_over_a_teams_own_apply_conflicts_with_the_new_owner(
    sandboxes: dict[str, SandboxServer],
    call: Caller,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = sandboxes["kubernetes"]
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
    place = Place(sandboxes, server.client, "sandbox")
    plan = place.fit(YAML(typ="safe").load(PLANS["tfjob-take-over.yaml"]), tool.folder)
    assert call("apply", tool.write("plan.yaml", plan), "--yes").code == 0
    taken, *_ = tool.targets(plan["metadata"]["name"], "--outcome", "applied")

    path = JOB_KINDS[TFJOBS].path(taken["namespace"], taken["name"])
    manifest = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": taken["name"]},
        "spec": {"runPolicy": {"ttlSecondsAfterFinished": 60}},
    }
    answer = server.client.request("PATCH", f"{path}?fieldManager=team", manifest, APPLY)

    assert answer.status == 409
    (cause,) = answer.body["details"]["causes"]
    assert 'conflict with "platform-team"' in cause["message"]
    assert cause["field"] == ".spec.runPolicy.ttlSecondsAfterFinished"


@pytest.mark.control_plane
@pytest.mark.parametrize("name", [name for name in PLANS if "kubernetes" in CASES[name].providers])
def test_a_plan_changes_a_real_api_server_as_written_and_undo_restores_it(
    name: str,
    control_plane: ControlPlane,
    copied: str,
    sandboxes: dict[str, SandboxServer],
    call: Caller,
    tool: Tool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control_plane.kubeconfig(tool.folder / "kubeconfig", user="alice")
    for key, value in sandboxes["cci"].credentials.items():
        monkeypatch.setenv(key, value)

    carry_out(name, Place(sandboxes, control_plane, "control-plane", copied), call, tool)


def test_every_plan_has_a_case_here_and_every_case_a_plan() -> None:
    assert CASES.keys() == PLANS.keys()


def test_every_example_plan_is_valid(call: Caller) -> None:
    ended = call("validate", *PLANS.values())

    assert ended.code == 0, ended.err


def test_the_guide_names_every_plan_and_its_examples_are_valid(call: Caller, tool: Tool) -> None:
    guide = (FOLDER / "README.md").read_text()
    named = set(re.findall(r"^\| \[`([a-z-]+\.yaml)`\]", guide, re.MULTILINE))
    examples = re.findall(r"^```yaml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)

    assert named == ALL_PLANS.keys()
    assert len(examples) > 5
    tool.write("healthy.sh", "#!/bin/sh\n").chmod(0o755)
    tool.write("ticket-4711.txt", "team-a/etl-7\n")
    for position, example in enumerate(examples):
        whole = {
            "apiVersion": "fleetpatch/v1",
            "kind": "Plan",
            "metadata": {"name": "example"},
            "targets": [{"kinds": ["jobs.batch"], "selector": "app=etl"}],
            "patch": {"labels": {"team": "red"}},
            **YAML(typ="safe").load(example),
        }
        ended = call("validate", tool.write(f"example-{position}.yaml", whole))
        assert ended.code == 0, example + ended.err
