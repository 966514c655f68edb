"""Undoes runs of a plan that paints all batch Jobs, and says what the tool shows of it."""

import signal

from tests.cli.calling import Ended
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, end, eventually, plan

SLOW = ("--yes", "-o", "json", "--rate", "10/s", "--concurrency", "1")
FAST = ("--yes", "-o", "json", "--rate", "1000/s")
ALL = {"kinds": ["jobs.batch"], "selector": "app"}
PLAN = plan("paint", ALL, patch={"labels": {"colour": "red"}})
PATH = "/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
MERGE = "application/merge-patch+json"


def name_of(ended: Ended) -> str:
    assert ended.code == 0, ended.err
    name: str = ended.json["run"]
    return name


def applied(tool: Tool) -> str:
    """Apply the plan to all of its forty jobs; return the name of the run."""
    return name_of(tool.run("apply", tool.write("plan.yaml", PLAN), *FAST))


def apply_in_part(tool: Tool, server: SandboxServer) -> None:
    """Apply slowly, and end the command part way."""
    file = tool.write("plan.yaml", PLAN)
    process = tool.fork("apply", file, *SLOW)
    eventually(lambda: server.sent() >= 5, "some patches")
    process.send_signal(signal.SIGTERM)
    assert end(process).code == 5


def interrupted(tool: Tool, server: SandboxServer, by: signal.Signals, *words: object) -> str:
    """Undo slowly, end the command part way, and return the name of its run."""
    known, sent = set(undos(tool)), server.sent()
    process = tool.fork("undo", *words, *SLOW)
    eventually(lambda: server.sent() >= sent + 5, "some patches")
    process.send_signal(by)
    assert end(process).code == (5 if by is signal.SIGTERM else -signal.SIGKILL)
    (name,) = set(undos(tool)) - known
    return name


def undos(tool: Tool) -> list[str]:
    return sorted(path.stem for path in (tool.state / "runs").glob("undo-*.run"))


def colours(server: SandboxServer) -> list[str | None]:
    found = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    labels = [one["metadata"].get("labels", {}) for one in found]
    return [one.get("colour") for one in labels if "app" in one]


def set_by_another(
    tool: Tool, server: SandboxServer, run: object, *words: object, colour: str | None = "red"
) -> None:
    """Another writer sets the label on objects of a run: all of them, or those that `words` choose.

    Without `colour` it removes the label.
    """
    for target in tool.targets(run, *words):
        body = {"metadata": {"labels": {"colour": colour}}}
        assert server.client.request("PATCH", PATH.format(**target), body, MERGE).status == 200


def states(tool: Tool) -> dict[str, str]:
    """Return the state of each run, as the table of `runs` shows it."""
    lines = tool.run("runs").out.splitlines()
    begin, until = lines[0].index("STATE"), lines[0].index("TARGETS")
    return {line.split()[0]: line[begin:until].strip() for line in lines[1:]}
