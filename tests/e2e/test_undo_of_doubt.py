"""The undo of a run with targets in doubt, while the server is away.

Left out: targets in doubt that can be read, or may not be read (test_undo.py).
"""

from pathlib import Path

from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import RunState
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, plan

ALL = {"kinds": ["jobs.batch"], "selector": "app"}


def test_an_undo_ends_with_1_if_what_is_in_doubt_cannot_be_read_since_the_server_is_away(
    tool: Tool,
) -> None:
    with sandbox(tool, jobs=50):
        file = tool.write("plan.yaml", plan("paint", ALL, patch={"labels": {"colour": "red"}}))
        planned = tool.run("plan", file, "-o", "json").json
        # As if its process had been killed while a PATCH was in flight.
        with RunFile.open(Path(planned["runFile"]), write=True) as journal:
            journal.set_state(RunState.RUNNING)
            assert journal.claim("sandbox", limit=1)

    ended = tool.run("undo", "paint", "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (1, "unreachable"), ended.err
    assert "1 targets may have been changed and cannot be read" in ended.err
