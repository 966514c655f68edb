"""The campaign of the tests: a plan that paints the jobs of etl, and its runs."""

import re
from pathlib import Path
from typing import Any

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import ETL
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan

JOBS = "/apis/batch/v1/namespaces/default/jobs"
BY_HAND: dict[str, Any] = {"waves": {"sizes": [1, "100%"], "promote": "manual"}}
"""After its first wave a run is paused until a person promotes it."""


def write(tool: Tool, colour: str = "red", **more: Any) -> Path:
    return tool.write("plan.yaml", plan("paint", ETL, patch={"labels": {"colour": colour}}, **more))


def create(server: SandboxServer, name: str) -> None:
    """Create a job of etl."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
    metadata = {"name": name, "labels": {"app": "etl"}}
    job = {"metadata": metadata, "spec": {"template": {"spec": pod}}}
    assert server.client.request("POST", JOBS, job).status == 201


def colours(server: SandboxServer) -> dict[str, str | None]:
    """Return the label of each job of etl."""
    listed = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in listed}
    return {name: has.get("colour") for name, has in labels.items() if has.get("app") == "etl"}


def previewed(call: Caller, *words: object) -> str:
    ended = call("plan", "plan.yaml", *words, "-o", "json")
    assert ended.code == 0, ended.err
    run: str = ended.json["run"]
    return run


def applied(call: Caller, *words: object, code: int = 0) -> str:
    ended = call("apply", *words, "--yes", "-o", "json")
    assert ended.code == code, ended.err
    run: str = ended.json["run"]
    return run


def refused(ended: Ended, words: str) -> None:
    assert (ended.code, ended.out) == (2, ""), ended
    assert re.fullmatch(r"fleetpatch: [^\n]+\n", ended.err), ended.err
    assert re.search(words, ended.err), ended.err
