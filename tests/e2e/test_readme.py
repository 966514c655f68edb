"""The first campaign of the README, as a new user follows it."""

import re
import shlex
from pathlib import Path

from tests.cli.calling import Caller
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool

README = Path(__file__).parent.parent.parent / "README.md"


def test_the_first_campaign_works_as_it_is_written(call: Caller, tool: Tool) -> None:
    text = README.read_text(encoding="utf-8").partition("## A first campaign\n")[2]
    text = text.partition("\n## ")[0]
    (plan,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (file,) = re.findall(r"named `([a-z-]+\.yaml)`", text)
    commands = [
        shlex.split(line)[1:]
        for line in text.splitlines()
        # The sandbox is the one below, and Tool names its kubeconfig.
        if line.startswith("fleetpatch ") and "sandbox" not in line
    ]
    (tool.folder / file).write_text(plan, encoding="utf-8")

    with sandbox(tool, jobs=400) as cluster:
        before = cluster.client.request("GET", "/apis/batch/v1/jobs").body["items"]
        for command in commands:
            ended = call(*command)
            assert ended.code == 0, f"{command}: {ended.err}"
        after = cluster.client.request("GET", "/apis/batch/v1/jobs").body["items"]
        changed = cluster.sent()

    verbs = [command[0] for command in commands]
    assert verbs == ["plan", "apply", "status", "targets", "report", "verify", "undo"]
    assert changed > 2 * 80  # there and back
    labels = [item["metadata"]["labels"] for item in before]
    assert [item["metadata"]["labels"] for item in after] == labels
