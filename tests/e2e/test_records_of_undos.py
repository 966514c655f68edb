"""What undos have recorded decides what is put back: other clocks, kills, other folders, damage.

Covered: a run from a machine whose clock is wrong; undos whose process was killed before or after
it changed anything; an undo under another state folder; undos that cannot be read, and what goes on
without them. Left out: undos that were interrupted otherwise (test_unfinished_undos.py).
"""

import asyncio
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetpatch.campaign.running.apply import apply
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.clock import SystemClock
from fleetpatch.errors import UsageError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.run import RunState
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually
from tests.e2e.undoing import (
    FAST,
    SLOW,
    applied,
    apply_in_part,
    colours,
    interrupted,
    name_of,
    set_by_another,
    states,
    undos,
)


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=200) as served:
        yield served


def run_file(tool: Tool, run: str) -> Path:
    return tool.state / "runs" / f"{run}.run"


def kill_before_it_sends(tool: Tool, run: str) -> str:
    """Undo a run in a process that is killed when it has claimed targets, and noted that."""
    assert tool.run("undo", run).code == 2
    (undo,) = undos(tool)
    with RunFile.open(run_file(tool, undo), write=True) as journal:
        journal.set_state(RunState.RUNNING)
        assert journal.claim("sandbox", limit=5)
    with RunFile.open(run_file(tool, run), write=True) as journal:
        journal.note_undo(undo, in_part=True, run_file=run_file(tool, undo))
    return undo


@pytest.mark.parametrize("hours", [1, 0, -1])
def test_what_an_undo_has_put_back_is_left_whatever_the_clock_of_its_run_has_shown(
    tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(SystemClock, "wall", lambda _self: time.time() + hours * 3600)
        run = applied(tool)
    first = interrupted(tool, server, signal.SIGTERM, run)
    put_back = tool.targets(first, "--outcome", "applied")
    set_by_another(tool, server, first, "--outcome", "applied")

    second = name_of(tool.run("undo", run, "--new", *FAST))

    assert colours(server).count("red") == len(put_back) > 0
    assert states(tool) == {run: "finished, undone", first: "cancelled", second: "finished"}
    redo = name_of(tool.run("undo", second, *FAST))
    assert states(tool)[run] == "finished, undone in part"
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(SystemClock, "wall", lambda _self: time.time() - hours * 3600)
        third = name_of(tool.run("undo", run, *FAST))
    assert colours(server).count("red") == len(put_back)
    assert states(tool)[redo] == "finished"
    assert states(tool)[run] == "finished, undone"
    assert f"Undone:   by {third}" in tool.run("status", run).out


@pytest.mark.parametrize("words", [("undo", "RUN", "--new"), ("undo", "UNDO")])
def test_a_run_goes_on_when_its_undo_was_killed_and_had_changed_nothing(
    tool: Tool, server: SandboxServer, words: tuple[str, ...]
) -> None:
    apply_in_part(tool, server)
    (run,) = states(tool)
    undo = kill_before_it_sends(tool, run)
    assert states(tool)[run] == "paused, undone in part"
    assert tool.run("resume", run, "--yes").code == 2

    assert tool.run(*({"RUN": run, "UNDO": undo}.get(one, one) for one in words)).code == 2

    assert states(tool)[run] == "paused"
    name_of(tool.run("resume", run, *FAST))
    assert states(tool)[run] == "finished"
    assert name_of(tool.run("resume", "paint", *FAST)) == run
    assert name_of(tool.run("apply", "paint", *FAST)) == run
    assert set(colours(server)) == {"red"}
    kept = tool.run("forget", "paint")
    assert f"Kept {run}: it is not undone" in kept.err
    assert list(states(tool)) == [run]


def test_an_undo_is_outdated_by_one_that_was_killed_and_read_since(
    tool: Tool, server: SandboxServer
) -> None:
    run = applied(tool)
    assert tool.run("undo", run).code == 2
    (preview,) = undos(tool)
    assert tool.run("undo", run, "--new").code == 2
    (killed,) = set(undos(tool)) - {preview}
    with RunFile.open(run_file(tool, killed), write=True) as journal:
        journal.set_state(RunState.RUNNING)
        assert len(journal.claim("sandbox", limit=40)) == 40
    set_by_another(tool, server, run, colour=None)
    assert tool.run("undo", run, "--new").code == 0
    set_by_another(tool, server, run)

    refused = tool.run("apply", preview, *FAST)

    assert (refused.code, f"{killed} has sent patches since" in refused.err) == (2, True)
    assert set(colours(server)) == {"red"}


def test_an_undo_under_another_state_folder_counts_after_a_later_one_was_undone(
    tool: Tool, server: SandboxServer
) -> None:
    run, sent = applied(tool), server.sent()
    other = tool.folder / "other"
    process = tool.fork("undo", run_file(tool, run), *SLOW, "--state-dir", other)
    eventually(lambda: server.sent() >= sent + 5, "some patches")
    process.terminate()
    assert end(process).code == 5
    (elsewhere,) = (other / "runs").glob("*.run")
    put_back = tool.targets(elsewhere, "--outcome", "applied")
    second = name_of(tool.run("undo", run, "--new", *FAST))
    name_of(tool.run("undo", second, *FAST))

    assert states(tool)[run] == "finished, undone in part"
    set_by_another(tool, server, elsewhere, "--outcome", "applied")
    name_of(tool.run("undo", run, *FAST))

    assert colours(server).count("red") == len(put_back) > 0
    assert states(tool)[run] == "finished, undone"


@pytest.mark.parametrize("damage", [b"damaged", b""])
def test_while_an_undo_cannot_be_read_nothing_is_put_back(
    tool: Tool, server: SandboxServer, damage: bytes
) -> None:
    run = applied(tool)
    first = interrupted(tool, server, signal.SIGTERM, run)
    assert tool.run("undo", run, "--new").code == 2
    (preview,) = set(undos(tool)) - {first}
    damaged = run_file(tool, first)
    whole = damaged.read_bytes()
    damaged.write_bytes(damage)
    sent = server.sent()

    for verb, what in (("undo", run), ("undo", "paint"), ("undo", preview), ("apply", preview)):
        ended = tool.run(verb, what, "--yes")
        assert (ended.code, server.sent()) == (1, sent), ended.err
        assert str(damaged) in ended.err
        assert "nothing was sent, since " in ended.err
        assert "restore the file, or move it out of its folder" in ended.err
    assert tool.run("resume", "paint", *FAST).code == 1
    assert str(damaged) in tool.run("status", "paint").err
    assert tool.run("apply", "plan.yaml", *FAST).code == 0

    damaged.write_bytes(whole)
    name_of(tool.run("undo", run, *FAST))
    assert states(tool)[run] == "finished, undone"


def test_an_undo_that_cannot_be_read_and_lies_elsewhere_is_named_with_its_path(
    tool: Tool, server: SandboxServer
) -> None:
    run = applied(tool)
    elsewhere = tool.folder / "elsewhere.run"
    name_of(tool.run("undo", run, *FAST, "--run-file", elsewhere))
    whole = elsewhere.read_bytes()
    elsewhere.write_bytes(b"damaged")

    refused = tool.run("undo", run, *FAST)

    assert (refused.code, str(elsewhere) in refused.err) == (1, True), refused.err
    elsewhere.write_bytes(whole)
    assert f"{run} is undone already" in tool.run("undo", run, *FAST).err
    assert set(colours(server)) == {None}


def test_an_undo_whose_run_cannot_be_read_is_not_carried_out(
    tool: Tool, server: SandboxServer
) -> None:
    run = applied(tool)
    first = interrupted(tool, server, signal.SIGTERM, run)
    run_file(tool, run).write_bytes(b"damaged")
    sent = server.sent()

    refused = tool.run("resume", first, *FAST)

    assert (refused.code, server.sent()) == (1, sent)
    assert str(run_file(tool, run)) in refused.err
    shutil.move(run_file(tool, run), tool.folder)
    name_of(tool.run("resume", first, *FAST))
    assert set(colours(server)) == {None}


@pytest.mark.usefixtures("server")
def test_an_undo_is_not_tried_on_the_servers(tool: Tool) -> None:
    run = applied(tool)
    assert tool.run("undo", run).code == 2
    (undo,) = undos(tool)

    refused = tool.run("apply", undo, "--dry-run", "--yes")

    assert refused.code == 2
    assert f"see what it puts back with `fleetpatch apply {undo} --dry-run=client`" in refused.err
    shown = tool.run("apply", undo, "--dry-run=client")
    assert shown.code == 0
    assert "40 objects would be patched (dry run: no patch was sent)" in shown.out
    name_of(tool.run("undo", run, "--new", *FAST))
    assert tool.run("apply", undo, "--dry-run=client").code == 2


def test_a_program_does_not_continue_a_run_that_was_undone(
    tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tool.kubeconfig))
    apply_in_part(tool, server)
    (run,) = states(tool)
    undo = name_of(tool.run("undo", run, *FAST))

    with pytest.raises(UsageError, match=f"this run was undone by {undo}"):
        asyncio.run(apply(run_file(tool, run), Settings(tool.state)))

    assert set(colours(server)) == {None}
