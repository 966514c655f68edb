"""The guide docs/everyday-changes.md: each plan and each command of it, as a reader runs them.

Each is carried out on a sandbox, and each plan on a real API server: apply, a second apply that
sends nothing, undo. What a plan must do to which object is written here again, in Python, and
checked by a client of the test's own.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import pytest

from fleetpatch.sandbox.apiserver.discovery import BATCH_JOBS
from fleetpatch.sandbox.server import SandboxOptions
from tests.cli.calling import Caller
from tests.control_plane import ControlPlane
from tests.e2e import fleets
from tests.e2e.campaigns import (
    Object,
    Objects,
    annotations,
    differing,
    labels,
    plain,
    there_and_back,
)
from tests.e2e.tool import Tool
from tests.sandbox.serving import SandboxThread

GUIDE = Path(__file__).parents[2] / "docs" / "everyday-changes.md"
TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
FILES = dict(TITLED.findall(GUIDE.read_text()))
PLANS = [name for name in FILES if name.endswith(".yaml")]
COMMANDS = re.findall(r"^fleetpatch (?:label|annotate) .*$", GUIDE.read_text(), re.MULTILINE)

SPACES = {"team-a": {"tier": "gold"}, "team-b": {"tier": "std"}, "platform": {}}
POD_SPEC = {"containers": [{"name": "a", "image": "a"}], "restartPolicy": "Never"}
OLD = "old.example.com/"
TICKET = "example.com/ticket"


class Server(Protocol):
    """A plain client of a server."""

    def request(self, method: str, path: str, body: Any = None) -> Any: ...


def space_of(one: Object) -> str:
    """Return the namespace without the prefix that it has on the real server."""
    return next(name for name in SPACES if one["metadata"]["namespace"].endswith(name))


def jobs(found: Objects) -> list[Object]:
    return [one for (kind, *_), one in found.items() if kind == "jobs"]


def owner_of(pod: Object, found: Objects) -> Object:
    (reference,) = pod["metadata"]["ownerReferences"]
    (job,) = [one for one in jobs(found) if one["metadata"]["uid"] == reference["uid"]]
    return job


# What each plan must do; the objects are changed in place.


def annotation_to_label(found: Objects) -> None:
    for one in jobs(found):
        if TICKET in annotations(one):
            labels(one)["ticket"] = annotations(one)[TICKET]


def rename_annotation(found: Objects) -> None:
    for one in jobs(found):
        if TICKET in annotations(one):
            annotations(one)["tickets.example.com/id"] = annotations(one).pop(TICKET)


def tier_of_namespace(found: Objects) -> None:
    for one in jobs(found):
        if tier := SPACES[space_of(one)].get("tier"):
            labels(one)["tier"] = tier


def cost_centre(found: Objects) -> None:
    centres = {"a": "4711", "b": "0400", "platform": "4713"}
    for one in jobs(found):
        labels(one)["cost-centre"] = centres[labels(one).get("team", "platform")]


def owner_if_absent(found: Objects) -> None:
    for one in jobs(found):
        labels(one).setdefault("owner", "platform")


def finished_jobs(found: Objects) -> None:
    for one in jobs(found):
        if one["metadata"]["name"] == "etl-1":
            one["spec"]["ttlSecondsAfterFinished"] = 3600


def old_prefix(found: Objects) -> None:
    for one in jobs(found):
        for of_object in (labels(one), annotations(one)):
            for key in [key for key in of_object if key.startswith(OLD)]:
                del of_object[key]


def pods_of_jobs(found: Objects) -> None:
    for one in found.values():
        job = owner_of(one, found) if "ownerReferences" in one["metadata"] else one
        if team := labels(job).get("team"):
            labels(one).update({"team": team, "cost-centre": "4711"})


def ticket(found: Objects) -> None:
    for one in jobs(found):
        if (space_of(one), one["metadata"]["name"]) in {("team-a", "etl-1"), ("team-b", "etl-2")}:
            labels(one)["owner"] = "farid"
            annotations(one)[TICKET] = "OPS-4711"


CHANGES: dict[str, Callable[[Objects], None]] = {
    "annotation-to-label.yaml": annotation_to_label,
    "rename-annotation.yaml": rename_annotation,
    "tier-of-namespace.yaml": tier_of_namespace,
    "cost-centre.yaml": cost_centre,
    "owner-if-absent.yaml": owner_if_absent,
    "finished-jobs.yaml": finished_jobs,
    "old-prefix.yaml": old_prefix,
    "pods-of-jobs.yaml": pods_of_jobs,
    "ticket.yaml": ticket,
}


def command_space(found: Objects) -> None:
    for one in jobs(found):
        labels(one)["space"] = one["metadata"]["namespace"]


def command_pods(found: Objects) -> None:
    for one in found.values():
        job = owner_of(one, found) if "ownerReferences" in one["metadata"] else one
        if "team" in labels(job):
            labels(one)["cost-centre"] = "4711"


def command_ticket(found: Objects) -> None:
    for one in jobs(found):
        if (space_of(one), one["metadata"]["name"]) in {("team-a", "etl-1"), ("team-b", "etl-2")}:
            labels(one)["owner"] = "farid"


COMMAND_CHANGES = {
    "space:=": (command_space, 0),
    "--dependents": (command_pods, 0),
    "--objects": (command_ticket, 3),
}


def carried_out(change: Callable[[Objects], None]) -> Callable[[Objects], None]:
    """Return the change without the empty maps that it leaves."""

    def both(found: Objects) -> None:
        change(found)
        for one in found.values():
            for name in ("labels", "annotations"):
                if not one["metadata"].get(name):
                    one["metadata"].pop(name, None)

    return both


def make_fleet(server: Server, spaces: dict[str, str]) -> None:
    """Make the objects of the guide; `spaces` maps its namespaces to those of the server."""
    for name, space in spaces.items():
        team = name.removeprefix("team-")
        for number in range(1, 5):
            body: Object = {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": f"etl-{number}", "labels": {"app": "etl", "team": team}},
                "spec": {"template": {"spec": POD_SPEC}},
            }
            if number == 1:
                annotations(body).update({TICKET: f"OPS-{team}", f"{OLD}note": "ä"})
                labels(body)[f"{OLD}a"] = "1"
            if number == 2:
                labels(body).update({"owner": "ana", f"{OLD}b": "", "old.example.comx": "kept"})
            if number == 3:
                del labels(body)["team"]
            job = _created(server, f"/apis/batch/v1/namespaces/{space}/jobs", body)
            for at in range(2):
                _created(server, f"/api/v1/namespaces/{space}/pods", _pod(job, at))


def _pod(job: Object, number: int) -> Object:
    names = {key: job["metadata"][key] for key in ("name", "uid")}
    owner = {"apiVersion": "batch/v1", "kind": "Job", **names}
    metadata = {"name": f"{names['name']}-{number}", "ownerReferences": [owner]}
    spec = {**POD_SPEC, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _created(server: Server, path: str, body: Object) -> Object:
    answer = server.request("POST", path, body)
    assert answer.status == 201, answer.body
    made: Object = answer.body
    return made


def read(server: Server, spaces: dict[str, str]) -> Objects:
    """Return all jobs and pods of the guide's namespaces."""
    found: Objects = {}
    for space in spaces.values():
        for kind, path in (("jobs", "/apis/batch/v1"), ("pods", "/api/v1")):
            answer = server.request("GET", f"{path}/namespaces/{space}/{kind}")
            assert answer.status == 200
            for one in answer.body["items"]:
                found[kind, space, one["metadata"]["name"]] = one
    return found


def write_files(tool: Tool, spaces: dict[str, str]) -> None:
    """Write the files of the guide, for the namespaces of the server, and for them alone."""
    here = ", ".join(spaces.values())
    for name, content in FILES.items():
        text = content
        for of_guide, space in spaces.items():
            text = re.sub(rf"^{of_guide}/", f"{space}/", text, flags=re.MULTILINE)
        if spaces.keys() != set(spaces.values()):
            text = text.replace("    selector:", f"    namespaces: [{here}]\n    selector:")
        tool.write(name, text)


@pytest.fixture
def server() -> Iterator[SandboxThread]:
    """A sandbox with the objects of the guide, of which `etl-1` are finished for a long time."""
    with SandboxThread(SandboxOptions(jobs=0, namespaces=1)) as thread:
        for name, of_space in SPACES.items():
            metadata = {"name": name, "labels": of_space}
            _created(thread.client, "/api/v1/namespaces", {"metadata": metadata})
        make_fleet(thread.client, {name: name for name in SPACES})
        store = thread.sandbox.store
        for name in SPACES:
            for job, age in (("etl-1", "2020-01-01T00:00:00Z"), ("etl-2", "")):
                stored = store.get(BATCH_JOBS, name, job)
                assert stored
                metadata = stored["metadata"] | ({"creationTimestamp": age} if age else {})
                store.put(BATCH_JOBS, {**stored, "metadata": metadata, "status": {"succeeded": 1}})
        yield thread


@pytest.fixture
def at_sandbox(
    server: SandboxThread, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.setenv("KUBECONFIG", str(server.sandbox.ready.kubeconfig))
    spaces = {name: name for name in SPACES}
    write_files(tool, spaces)
    return spaces


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_of_the_guide_does_what_it_says_and_its_undo_restores_it(
    name: str, call: Caller, tool: Tool, server: SandboxThread, at_sandbox: dict[str, str]
) -> None:
    change = carried_out(CHANGES[name])
    there_and_back(call, tool.folder / name, lambda: read(server.client, at_sandbox), change)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_does_what_it_says_and_its_undo_restores_it(
    command: str, call: Caller, server: SandboxThread, at_sandbox: dict[str, str]
) -> None:
    (change, code) = next(case for part, case in COMMAND_CHANGES.items() if part in command)
    before = read(server.client, at_sandbox)
    expected = deepcopy(plain(before))
    carried_out(change)(expected)
    words = shlex.split(command)[1:]

    ended = call(*words, "-o", "json")

    assert ended.code == code, ended.err
    assert not differing(expected, plain(read(server.client, at_sandbox)))
    again = call(*words, "-o", "json")
    assert again.code == code, again.err
    assert again.json["requests"]["patch"] == 0
    assert call("undo", ended.json["run"], "--yes").code == 0
    assert not differing(plain(before), plain(read(server.client, at_sandbox)))


@pytest.fixture(scope="module")
def at_control_plane(control_plane: ControlPlane) -> dict[str, str]:
    """The namespaces of the guide on the real control plane, with its objects."""
    spaces = dict(zip(SPACES, fleets.namespaces(control_plane, *SPACES), strict=True))
    for name, space in spaces.items():
        merge = "application/merge-patch+json"
        body = {"metadata": {"labels": SPACES[name]}}
        path = f"/api/v1/namespaces/{space}"
        assert control_plane.request("PATCH", path, body, merge).status == 200
        # No controller runs here that creates the service account of the pods.
        account = {"metadata": {"name": "default"}}
        control_plane.request("POST", f"{path}/serviceaccounts", account)
    make_fleet(control_plane, spaces)
    return spaces


@pytest.mark.control_plane
# A server before 1.21 drops `ttlSecondsAfterFinished`, and no controller finishes jobs there.
@pytest.mark.parametrize("name", [name for name in PLANS if name != "finished-jobs.yaml"])
def test_a_plan_of_the_guide_does_the_same_on_a_real_api_server(
    name: str,
    call: Caller,
    tool: Tool,
    control_plane: ControlPlane,
    at_control_plane: dict[str, str],
) -> None:
    control_plane.kubeconfig(tool.folder / "kubeconfig", user="admin")
    write_files(tool, at_control_plane)

    change = carried_out(CHANGES[name])
    there_and_back(call, tool.folder / name, lambda: read(control_plane, at_control_plane), change)


def test_every_plan_and_every_command_of_the_guide_has_its_test() -> None:
    assert CHANGES.keys() == set(PLANS)
    assert len(COMMANDS) == len(COMMAND_CHANGES)
    assert all(any(part in command for part in COMMAND_CHANGES) for command in COMMANDS)


def test_the_first_commands_of_the_guide_are_those_of_its_first_plan(
    call: Caller, at_sandbox: dict[str, str]
) -> None:
    (lines,) = re.findall(r"```sh\n(fleetpatch plan .*?)```", GUIDE.read_text(), re.DOTALL)

    assert at_sandbox
    for line in lines.splitlines():
        words = shlex.split(line)[1:]
        ended = call(*words, *(["--yes"] if words[0] != "plan" else []))
        assert ended.code == 0, ended.err
