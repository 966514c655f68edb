"""Two entries of a fleet that lead to the same objects.

Covered: two contexts of one server, and two spellings of its address; entries whose objects differ.
"""

import json
from typing import Any

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool


@pytest.fixture
def contexts(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A kubeconfig with the contexts east and west, both of the sandbox, as it is written."""
    assert tool.kubeconfig is not None
    config: dict[str, Any] = json.loads(tool.kubeconfig.read_text())
    one = config["contexts"][0]
    config["contexts"] += [{**one, "name": name} for name in ("east", "west")]
    write(tool, config, monkeypatch)
    return config


def write(tool: Tool, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tool.folder / "contexts.kubeconfig"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(file))


def in_both(name: str) -> dict[str, Any]:
    return marking(name, fleet=[{"name": one, "context": one} for one in ("east", "west")])


@pytest.mark.usefixtures("call", "contexts")
@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_two_contexts_of_one_server_are_refused_with_both_entries_and_an_object(
    call: Caller, tool: Tool, server: SandboxServer, verb: str
) -> None:
    sent = server.sent()

    ended = call(verb, tool.write("plan.yaml", in_both("doubled")))

    assert ended.code == 2
    assert "the entries east and west of the fleet lead to the same objects" in ended.err
    assert "both contain jobs.batch " in ended.err
    assert "(uid " in ended.err
    assert (server.sent(), list(tool.state.rglob("*.run"))) == (sent, [])


def test_two_spellings_of_an_address_are_refused_as_well(
    call: Caller, tool: Tool, contexts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = contexts["clusters"][0]["cluster"]
    spelled = {**cluster, "server": cluster["server"].replace("127.0.0.1", "localhost")}
    contexts["clusters"].append({"name": "spelled", "cluster": spelled})
    contexts["contexts"][-1] = {
        "name": "west",
        "context": {**contexts["contexts"][0]["context"], "cluster": "spelled"},
    }
    write(tool, contexts, monkeypatch)

    ended = call("plan", tool.write("plan.yaml", in_both("spelled")), "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (2, "guard-refused")


def test_entries_whose_objects_differ_are_planned_together(
    call: Caller, tool: Tool, contexts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of the objects are the same, as on two clusters of one company."""
    (tool.folder / "other").mkdir()
    with sandbox(Tool(tool.folder / "other"), jobs=200) as other:
        found = json.loads(other.kubeconfig.read_text())
        contexts["clusters"].append({**found["clusters"][0], "name": "other"})
        contexts["users"].append({**found["users"][0], "name": "other"})
        context = {"cluster": "other", "user": "other"}
        contexts["contexts"][-1] = {"name": "west", "context": context}
        write(tool, contexts, monkeypatch)

        ended = call("plan", tool.write("plan.yaml", in_both("apart")), "-o", "json")

    assert ended.code == 0, ended.err
    assert {row["cluster"] for row in ended.json["counts"]} == {"east", "west"}
