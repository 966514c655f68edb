"""A run belongs to the servers that it was planned on.

Covered: the current context switched, contexts renamed, one name for another server, two names for
one server, another $KUBECONFIG, spellings of a URL, fleets of which one cluster moved, plans that
were changed meanwhile; for `apply PLAN`, `apply RUN`, `resume` and `undo`. Left out: CCI and
pods (tests/campaign/test_servers.py).
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import ETL, paint, pause
from tests.e2e.sandboxes import SandboxServer, joined_kubeconfig, sandbox
from tests.e2e.tool import Tool, plan

SHORT: dict[str, Any] = {"limits": {"deadline": "1ms"}, "pace": {"rate": "1/s", "burst": 1}}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[dict[str, SandboxServer]]:
    """Two sandboxes, a and b."""
    with ExitStack() as stack:
        found = {}
        for name in ("a", "b"):
            folder = tmp_path / f"at-{name}"
            folder.mkdir()
            found[name] = stack.enter_context(sandbox(Tool(folder), jobs=40))
        yield found


@pytest.fixture
def tool(tmp_path: Path, served: dict[str, SandboxServer]) -> Tool:
    made = Tool(tmp_path, tmp_path / "kubeconfig")
    configure(made, served, current="a")
    return made


def configure(
    tool: Tool, contexts: dict[str, SandboxServer], *, current: str, file: str = "kubeconfig"
) -> None:
    """Write a kubeconfig with these contexts."""
    document = joined_kubeconfig({name: server.kubeconfig for name, server in contexts.items()})
    tool.write(file, document | {"current-context": current})


def switch(tool: Tool, current: str) -> None:
    document = json.loads((tool.folder / "kubeconfig").read_text())
    tool.write("kubeconfig", document | {"current-context": current})


def started(tool: Tool, call: Caller, **more: Any) -> str:
    """Plan a run, and mark it as one that was started."""
    run = planned(tool, call, **more)
    pause(tool.state / "runs" / f"{run}.run")
    return run


def planned(tool: Tool, call: Caller, **more: Any) -> str:
    ended = call("plan", tool.write("plan.yaml", paint(**more)), "-o", "json")
    assert ended.code == 0, ended.err
    run: str = ended.json["run"]
    return run


def refused(ended: Ended, *servers: SandboxServer) -> None:
    assert (ended.code, ended.out) == (2, ""), ended
    assert re.fullmatch(r"fleetpatch: [^\n]+\n", ended.err), ended.err
    for one in servers:
        assert one.server in ended.err


def test_a_plan_is_planned_again_where_the_context_was_switched(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    run = started(tool, call)
    switch(tool, "b")

    ended = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert (ended.code, served["a"].sent()) == (0, 0), ended.err
    assert served["b"].sent() == ended.json["targets"] > 0
    assert f"Not resuming the unfinished run {run}" in ended.err
    assert served["a"].server in ended.err
    assert served["b"].server in ended.err

    switch(tool, "a")
    on = call("apply", "plan.yaml", "--yes", "-o", "json")
    assert (on.code, on.json["run"], served["a"].sent()) == (0, run, on.json["targets"])


@pytest.mark.parametrize("words", ["apply RUN", "apply RUN --yes", "resume RUN", "undo RUN --yes"])
def test_a_run_is_refused_where_the_context_was_switched(
    tool: Tool, call: Caller, served: dict[str, SandboxServer], words: str
) -> None:
    run = planned(tool, call)
    if words.startswith("undo"):
        assert call("apply", run, "--yes").code == 0
    before = (served["a"].sent(), len(list(tool.state.glob("runs/*.run"))))
    switch(tool, "b")

    refused(call(*words.replace("RUN", run).split()), *served.values())

    assert served["b"].counters()["requests"] == {}
    assert (served["a"].sent(), len(list(tool.state.glob("runs/*.run")))) == before


def test_a_finished_run_on_one_server_does_not_count_for_another(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    moving = plan("paint", ETL, patch={"labels": {"app": "etl-2"}})
    tool.write("plan.yaml", moving)
    assert call("apply", "plan.yaml", "--yes").code == 0
    assert "has changed all of it" in call("apply", "plan.yaml", "--yes").err
    # On b nothing matches any more, by another plan's doing.
    switch(tool, "b")
    tool.write("other.yaml", plan("other", ETL, patch={"labels": {"app": "etl-3"}}))
    assert call("apply", "other.yaml", "--yes").code == 0
    lists = served["b"].requests("list")

    ended = call("apply", "plan.yaml", "--yes")

    assert ended.code == 2
    assert "has changed all of it" not in ended.err
    assert served["b"].requests("list") > lists


def test_a_failed_target_is_not_reopened_for_another_server(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    run = planned(tool, call)
    assert call("apply", run, "--yes").code == 0
    state = (tool.state / "runs" / f"{run}.run").read_bytes()
    switch(tool, "b")

    refused(call("resume", run, "--failed"), *served.values())
    assert (tool.state / "runs" / f"{run}.run").read_bytes() == state


def test_contexts_may_be_renamed_as_long_as_they_lead_to_the_same_server(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    run = started(tool, call)
    configure(tool, {"renamed": served["a"], "a": served["b"]}, current="renamed")

    ended = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert (ended.code, ended.json["run"], served["b"].sent()) == (0, run, 0), ended.err


def test_the_same_context_may_not_lead_to_another_server(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    fleet = [{"name": "prod", "context": "a"}]
    run = planned(tool, call, fleet=fleet)
    configure(tool, {"a": served["b"]}, current="a")

    refused(call("apply", run, "--yes"), *served.values())
    again = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert (again.code, served["a"].sent()) == (0, 0)
    assert again.json["run"] != run


def test_another_kubeconfig_leads_elsewhere(
    tool: Tool, call: Caller, served: dict[str, SandboxServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(tool, call)
    configure(tool, {"a": served["b"]}, current="a", file="other")
    monkeypatch.setenv("KUBECONFIG", str(tool.folder / "other"))

    refused(call("resume", run), *served.values())
    assert served["b"].sent() == 0


@pytest.mark.parametrize("spelling", ["HTTP://127.0.0.1:{}", "http://127.0.0.1:{}//"])
def test_another_spelling_of_a_url_is_the_same_server(
    tool: Tool, call: Caller, served: dict[str, SandboxServer], spelling: str
) -> None:
    run = started(tool, call)
    document = json.loads((tool.folder / "kubeconfig").read_text())
    document["clusters"][0]["cluster"]["server"] = spelling.format(served["a"].port)
    tool.write("kubeconfig", document)

    ended = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert (ended.code, ended.json["run"]) == (0, run), ended.err


def test_a_fleet_of_which_one_cluster_moved_is_planned_again(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    fleet = [{"name": "first", "context": "a"}, {"name": "second", "context": "b"}]
    run = started(tool, call, fleet=fleet)
    configure(tool, {"a": served["b"], "b": served["a"]}, current="a")

    refused(call("resume", run), *served.values())
    ended = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["run"] != run
    assert f"Not resuming the unfinished run {run}" in ended.err


def test_a_changed_plan_is_refused_only_where_its_unfinished_run_is(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    tool.write("plan.yaml", paint(**SHORT))
    assert call("apply", "plan.yaml", "--yes").code == 7
    tool.write("plan.yaml", paint())

    assert "the plan was changed" in call("apply", "plan.yaml", "--yes").err
    switch(tool, "b")
    assert call("apply", "plan.yaml", "--yes").code == 0
    # What ended on b since says nothing of a.
    switch(tool, "a")
    assert "the plan was changed" in call("apply", "plan.yaml", "--yes").err
    assert served["b"].sent() > 0


def test_a_finished_run_is_not_called_finished_elsewhere(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    run = planned(tool, call)
    assert call("apply", run, "--yes").code == 0
    switch(tool, "b")

    refused(call("apply", run, "--yes"), *served.values())
    refused(call("resume", run), *served.values())


def test_an_undo_puts_back_what_it_reaches_and_warns_of_the_rest(
    tool: Tool, call: Caller, served: dict[str, SandboxServer]
) -> None:
    fleet = [{"name": "first", "context": "a"}, {"name": "second", "context": "b"}]
    run = planned(tool, call, fleet=fleet)
    applied = call("apply", run, "--yes", "-o", "json").json
    mine = applied["byCluster"]["first"]["applied"]
    served["b"].stop()

    ended = call("undo", "paint", "--yes", "-o", "json")

    assert ended.code == 3, ended.err
    assert "its objects are read when they are put back" in ended.err
    assert ended.json["outcomes"]["applied"] == mine > 0
    assert ended.json["outcomes"]["pending"] == applied["targets"] - mine

    served["a"].stop()
    again = call("undo", run, "--yes", "-o", "json")
    assert (again.code, again.json["run"]) == (3, ended.json["run"])
    new = call("undo", run, "--new", "--yes")
    assert (new.code, new.out) == (1, "")
    assert len(list(tool.state.glob("runs/undo-*.run"))) == 1
