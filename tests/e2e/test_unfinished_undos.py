"""Undos that were interrupted, planned side by side, or undone themselves, beside another writer.

Covered: `undo` again after a signal and after a kill, by the run, by the plan and with `--new`; an
undo that is outdated; the undo of an undo and of that, in all views.
Left out: names and files of undos (tests/journal/test_undo_tree.py), one undo (test_undo.py).
"""

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from fleetpatch.journal.runfile import RunFile
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually
from tests.e2e.undoing import (
    FAST,
    PLAN,
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


@pytest.fixture
def run(tool: Tool, server: SandboxServer) -> str:
    """A run of forty jobs: all of them have the label now."""
    assert set(colours(server)) == {None}
    return applied(tool)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("named", ["run", "plan"])
def test_undo_continues_the_undo_that_was_interrupted(
    tool: Tool, server: SandboxServer, run: str, by: signal.Signals, named: str
) -> None:
    first = interrupted(tool, server, by, run)
    assert states(tool)[run] == "finished, undone in part"

    again = tool.run("undo", run if named == "run" else "paint", *FAST)

    assert name_of(again) == first
    assert f"Resuming the unfinished undo {first} (use --new to plan again instead)." in again.err
    assert undos(tool) == [first]
    assert again.json["outcomes"]["applied"] == 40
    assert set(colours(server)) == {None}
    assert states(tool) == {run: "finished, undone", first: "finished"}


def test_nothing_of_another_writer_is_overwritten_once_the_undo_is_over(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    first = interrupted(tool, server, signal.SIGTERM, run)
    name_of(tool.run("undo", run, *FAST))
    set_by_another(tool, server, run)

    for words in (("resume", first), ("undo", run), ("undo", "paint"), ("undo", run, "--new")):
        assert tool.run(*words, *FAST).code == 0

    assert set(colours(server)) == {"red"}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_an_undo_is_outdated_once_another_one_has_begun(
    tool: Tool, server: SandboxServer, run: str, by: signal.Signals
) -> None:
    first = interrupted(tool, server, by, run)

    second = tool.run("undo", run, "--new", *FAST)

    applied = tool.targets(first, "--outcome", "applied")
    assert name_of(second) != first
    assert second.json["outcomes"]["applied"] + len(applied) == 40
    assert set(colours(server)) == {None}
    assert not tool.targets(first, "--outcome", "in-doubt")
    assert states(tool)[first] == "cancelled"
    assert f"superseded by {second.json['run']}" in tool.run("status", first).out
    assert f"Next:     fleetpatch undo {run}" in tool.run("status", first).out
    assert tool.run("status", "paint", "-o", "json").json["undosUnderWay"] == []

    set_by_another(tool, server, run)
    for verb in ("resume", "apply"):
        refused = tool.run(verb, first, "--yes")
        assert refused.code == 2
        assert f"{second.json['run']} has sent patches since this undo was planned" in refused.err
        assert f"`fleetpatch undo {run}` puts back what is left" in refused.err
    assert set(colours(server)) == {"red"}


def test_an_interrupted_undo_that_is_superseded_claims_nothing_of_the_other_one(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    first = interrupted(tool, server, signal.SIGKILL, run)

    second = name_of(tool.run("undo", run, "--new", *FAST))

    by_first, by_second = (
        {one["uid"] for one in tool.targets(undo, "--outcome", "applied")}
        for undo in (first, second)
    )
    assert by_first.isdisjoint(by_second)
    assert len(by_first | by_second) == 40


def test_an_undo_that_was_planned_before_its_run_went_on_is_outdated(
    tool: Tool, server: SandboxServer
) -> None:
    apply_in_part(tool, server)
    assert tool.run("undo", "paint").code == 2
    (preview,) = undos(tool)
    run = name_of(tool.run("resume", "paint", *FAST))

    refused = tool.run("apply", preview, "--yes")

    assert refused.code == 2
    assert f"{run} has sent patches since this undo was planned" in refused.err
    assert set(colours(server)) == {"red"}
    name_of(tool.run("undo", "paint", *FAST))
    assert set(colours(server)) == {None}


def test_a_run_whose_undo_was_undone_counts_as_not_undone_everywhere(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    undo = name_of(tool.run("undo", run, *FAST))
    redo = name_of(tool.run("undo", undo, *FAST))
    assert set(colours(server)) == {"red"}

    assert states(tool) == {run: "finished", undo: "finished, undone", redo: "finished"}
    assert "Undone:" not in tool.run("status", run).out
    assert tool.run("report", "paint").out.startswith("## paint is finished: ")
    assert "40 of 40 changed objects hold" in tool.run("verify", "paint").out
    assert tool.run("resume", run).code == 0
    kept = tool.run("forget", "paint")
    assert kept.out == "Removed 0 runs.\n"
    assert f"Kept {run}: it is not undone" in kept.err
    assert f"Kept {undo}: it has undone {run}, which is kept" in kept.err
    assert f"Kept {redo}: it has undone {undo}, which is kept" in kept.err

    third = name_of(tool.run("undo", redo, *FAST))

    assert set(colours(server)) == {None}
    assert states(tool) == {
        run: "finished, undone",
        undo: "finished",
        redo: "finished, undone",
        third: "finished",
    }
    assert tool.run("resume", run).code == 2
    assert f"{run} is undone already, by {undo}" in tool.run("undo", "paint", *FAST).err
    assert tool.run("forget", "paint").out.startswith("Removed 4 runs.\n")


def test_an_unfinished_run_goes_on_when_its_undo_was_undone(
    tool: Tool, server: SandboxServer
) -> None:
    apply_in_part(tool, server)
    undo = name_of(tool.run("undo", "paint", *FAST))
    assert tool.run("resume", "paint", "--yes").code == 2
    assert set(colours(server)) == {None}
    name_of(tool.run("undo", undo, *FAST))

    ended = tool.run("resume", "paint", *FAST)

    assert ended.json["outcomes"]["applied"] == 40
    assert set(colours(server)) == {"red"}


def test_an_undo_of_a_part_leaves_its_run_undone_in_part(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    first = interrupted(tool, server, signal.SIGTERM, run)
    second = name_of(tool.run("undo", run, "--new", *FAST))
    redo = tool.run("undo", first, *FAST)
    assert colours(server).count("red") == redo.json["outcomes"]["applied"] > 0

    assert states(tool)[run] == "finished, undone in part"
    assert f"Undone:   in part, by {second}" in tool.run("status", run).out
    third = tool.run("undo", "paint", *FAST)

    assert third.json["outcomes"]["applied"] == redo.json["outcomes"]["applied"]
    assert set(colours(server)) == {None}
    assert states(tool)[run] == "finished, undone"


def test_an_undo_that_was_interrupted_cannot_go_on_once_it_was_undone(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    first = interrupted(tool, server, signal.SIGTERM, run)
    redo = name_of(tool.run("undo", first, *FAST))
    assert set(colours(server)) == {"red"}

    refused = tool.run("resume", first, "--yes")

    assert (refused.code, f"was undone by {redo}" in refused.err) == (2, True), refused.err
    assert f"`fleetpatch undo {run}` puts back what is left" in refused.err
    assert name_of(tool.run("undo", run, *FAST)) not in (first, redo)
    assert set(colours(server)) == {None}


@pytest.mark.parametrize("restored", [True, False])
def test_a_run_whose_file_does_not_name_its_undo_is_not_continued(
    tool: Tool, server: SandboxServer, restored: bool
) -> None:
    apply_in_part(tool, server)
    (run,) = states(tool)
    run_file, copy = tool.state / "runs" / f"{run}.run", tool.folder / "copy.run"
    shutil.copy(run_file, copy)
    undo = name_of(tool.run("undo", run if restored else copy, *FAST))
    if restored:
        shutil.copy(copy, run_file)

    for words in (("resume", run), ("resume", "paint"), ("apply", run), ("apply", "paint")):
        refused = tool.run(*words, "--yes")
        assert (refused.code, f"was undone by {undo}" in refused.err) == (2, True), refused.err
    assert set(colours(server)) == {None}
    assert states(tool)[run] == "paused, undone"


def test_undo_of_a_plan_names_the_undo_of_each_run_if_all_are_undone(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    pairs = {run: name_of(tool.run("undo", "paint", *FAST))}
    again = name_of(tool.run("apply", "plan.yaml", *FAST))
    pairs |= {again: name_of(tool.run("undo", "paint", *FAST))}
    sent = server.sent()

    text, parsed = tool.run("undo", "paint", "--yes"), tool.run("undo", "paint", *FAST)

    assert (text.code, parsed.code, server.sent()) == (0, 0, sent)
    for undone, undo in pairs.items():
        assert f"{undone} is undone already, by {undo}; nothing was sent.\n" in text.err
        assert undo in text.out
    assert text.err.endswith("All 2 runs of paint are undone.\n")
    listed: list[Any] = [json.loads(line) for line in parsed.out.splitlines()]
    assert [(one["undoOf"], one["run"]) for one in listed] == list(pairs.items())[::-1]


@pytest.mark.parametrize("words", [("undo", "RUN"), ("undo", "paint"), ("resume", "UNDO")])
def test_a_run_is_shown_as_undone_although_the_undo_was_killed_before_it_noted_that(
    tool: Tool, run: str, words: tuple[str, str]
) -> None:
    undo = name_of(tool.run("undo", run, *FAST))
    with RunFile.open(tool.state / "runs" / f"{run}.run", write=True) as journal:
        journal.note_undo(undo, in_part=True)

    verb, what = words
    assert tool.run(verb, {"RUN": run, "UNDO": undo}.get(what, what), "--yes").code == 0

    assert states(tool)[run] == "finished, undone"


def test_what_a_later_undo_has_put_back_is_left_as_others_have_set_it_since(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    redo = name_of(tool.run("undo", name_of(tool.run("undo", run, *FAST)), *FAST))
    name_of(tool.run("undo", run, *FAST))
    set_by_another(tool, server, run)
    sent = server.sent()

    # That the label has the value which this undo of an undo gave it is not its doing any more.
    refused = tool.run("undo", redo, "--yes")

    assert (refused.code, server.sent()) == (2, sent)
    assert "all that it changed is put back already" in refused.err


@pytest.mark.parametrize("colour", ["blue", None])
def test_what_an_undo_has_found_drifted_or_back_is_left_as_others_have_set_it_since(
    tool: Tool, server: SandboxServer, run: str, colour: str | None
) -> None:
    set_by_another(tool, server, run, colour=colour)
    first = name_of(tool.run("undo", run, *FAST))
    set_by_another(tool, server, run)
    sent = server.sent()

    second = tool.run("undo", run, *FAST)

    assert name_of(second) == first
    assert f"{run} is undone already, by {first}; nothing was sent." in second.err
    assert (server.sent(), set(colours(server))) == (sent, {"red"})


def test_a_cancelled_undo_is_kept_as_long_as_its_run(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    undo = interrupted(tool, server, signal.SIGTERM, run)
    assert tool.run("cancel", undo).code == 0

    kept = tool.run("forget", "paint")

    assert f"Kept {undo}: it has undone {run}, which is kept" in kept.err
    assert states(tool) == {run: "finished, undone in part", undo: "cancelled"}


def test_copies_of_a_planned_run_beside_it_do_not_make_its_undo_outdated(
    tool: Tool, server: SandboxServer
) -> None:
    file = tool.write("plan.yaml", PLAN)
    run_file = tool.folder / "m.run"
    assert tool.run("plan", file, "--run-file", run_file).code == 0
    for name in ("a.run", "z.run"):
        shutil.copy(run_file, tool.folder / name)
    name_of(tool.run("apply", run_file, *FAST))

    ended = tool.run("undo", run_file, *FAST)

    assert ended.code == 0, ended.err
    assert set(colours(server)) == {None}


def test_an_undo_in_another_file_is_continued(tool: Tool, server: SandboxServer, run: str) -> None:
    elsewhere = tool.folder / "elsewhere.run"
    sent = server.sent()
    process = tool.fork("undo", run, *SLOW, "--run-file", elsewhere)
    eventually(lambda: server.sent() >= sent + 5, "some patches")
    process.terminate()
    assert end(process).code == 5

    ended = tool.run("undo", run, *FAST)

    assert ended.code == 0, ended.err
    assert ended.json["runFile"] == str(elsewhere)
    assert undos(tool) == []
    assert set(colours(server)) == {None}


def test_a_preview_of_an_undo_from_an_earlier_version_is_planned_again(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    assert tool.run("undo", run).code == 2
    (preview,) = undos(tool)
    connection = sqlite3.connect(tool.state / "runs" / f"{preview}.run")
    with connection:
        connection.execute("DELETE FROM meta WHERE key = 'relatives'")
    connection.close()

    refused = tool.run("apply", preview, *FAST)

    assert refused.code == 2
    assert f"`fleetpatch undo {run}` puts back what is left" in refused.err
    assert name_of(tool.run("undo", run, *FAST)) != preview
    assert set(colours(server)) == {None}


def test_an_undo_that_was_killed_and_cancelled_is_settled_before_another_one(
    tool: Tool, server: SandboxServer, run: str
) -> None:
    killed = interrupted(tool, server, signal.SIGKILL, run)
    assert tool.run("cancel", killed).code == 0
    assert any(one["inDoubt"] for one in tool.targets(killed))

    name_of(tool.run("undo", run, "--new", *FAST))

    assert not any(one["inDoubt"] for one in tool.targets(killed))
    assert tool.run("status", killed, "-o", "json").json["causeCode"] == "cancelled"
    assert set(colours(server)) == {None}
