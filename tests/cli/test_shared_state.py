"""A state directory of a group, and a private one.

Covered: the modes of all files of a run, `--shared`, another member of the group who sees a run,
goes on with it and undoes it. Left out: single files (tests/test_files.py).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import as_user, marking
from tests.e2e.tool import SOON, Tool, end, eventually

MEMBER, GROUP = 61234, 61235
SHORT = {"pace": {"rate": "20/s", "burst": 1}, "limits": {"deadline": "200ms"}}


def modes(state: Path) -> dict[str, int]:
    """The mode of each file and folder, by its suffix or name."""
    return {path.suffix or path.name: path.stat().st_mode & 0o7777 for path in state.rglob("*")}


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_with_shared_all_files_of_a_run_are_for_the_group(
    call: Caller, tool: Tool, mask: int
) -> None:
    before = os.umask(mask)
    try:
        ended = call("apply", tool.write("plan.yaml", marking("for-group")), "--yes", "--shared")
    finally:
        os.umask(before)

    assert ended.code == 0, ended.err
    found = modes(tool.state)
    assert tool.state.stat().st_mode & 0o7777 == 0o2770
    assert {found[name] for name in ("runs", "locks")} == {0o2770}
    assert {found[suffix] for suffix in (".run", ".jsonl", ".lock")} == {0o660}


def test_without_it_they_are_private(call: Caller, tool: Tool) -> None:
    assert call("apply", tool.write("plan.yaml", marking("private")), "--yes").code == 0

    found = modes(tool.state)
    assert {found[name] for name in ("runs", "locks")} == {0o700}
    assert {found[suffix] for suffix in (".run", ".jsonl", ".lock")} == {0o600}


def test_a_private_state_directory_is_not_opened_by_shared(call: Caller, tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("closed"))
    assert call("plan", file).code == 0

    ended = call("plan", file, "--shared")

    assert ended.code == 2
    assert f"{tool.state}: exists and is private" in ended.err
    assert "chmod 2770" in ended.err


def is_carried_out(call: Caller, run: str) -> bool:
    """Return whether a process carries the run out; then one does until the run ends."""
    seen = call("status", run, "-o", "json").json
    return bool(seen["state"] == "running" and seen["holder"])


@pytest.fixture
def folder_of_group() -> Iterator[Path]:
    """A folder for a group, in one that all users may enter; that of a test is closed to them."""
    with TemporaryDirectory() as name:
        around = Path(name)
        around.chmod(0o711)
        folder = around / "state"
        folder.mkdir()
        os.chown(folder, 0, GROUP)
        folder.chmod(0o2770)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_member_sees_a_run_and_goes_on_with_it_and_undoes_it(
    call: Caller, tool: Tool, folder_of_group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tool.kubeconfig is not None
    config = folder_of_group.parent / "kubeconfig"
    config.write_text(tool.kubeconfig.read_text())
    config.chmod(0o644)
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("FLEETPATCH_STATE_DIR", str(folder_of_group))
    file = tool.write("plan.yaml", marking("handed-over", **SHORT))
    begun = call("apply", file, "--yes", "-o", "json")
    assert (begun.code, begun.json["causeCode"]) == (7, "deadline-passed"), begun.err

    with as_user(MEMBER, GROUP):
        seen = call("status", begun.json["run"], "-o", "json")
        assert seen.code == 0, seen.err
        assert seen.json["outcomes"] == begun.json["outcomes"]
        while (ended := call("resume", begun.json["run"], "-o", "json")).code == 7:
            pass
        assert ended.code == 0, ended.err
        assert ended.json["outcomes"]["applied"] == 20
        undone = call("undo", ended.json["run"], "--yes", "-o", "json")
        assert undone.code == 0, undone.err
        assert undone.json["outcomes"]["applied"] == 20

    assert call("status", undone.json["run"]).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_member_watches_a_live_run_slows_it_down_and_pauses_it(
    call: Caller, tool: Tool, folder_of_group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETPATCH_STATE_DIR", str(folder_of_group))
    # The 20 targets would take an hour.
    file = tool.write("plan.yaml", marking("live", pace={"rate": "20/h", "burst": 1}))
    applying = tool.fork("apply", file, "--yes", "--state-dir", folder_of_group)
    try:
        eventually(lambda: bool(list(folder_of_group.rglob("*.status.json"))), "a heartbeat")
        (run_file,) = folder_of_group.rglob("*.run")
        # Its planning has a holder, too, and then there is none for a moment.
        eventually(lambda: is_carried_out(call, run_file.stem), "live")
        with as_user(MEMBER, GROUP):
            seen = call("status", run_file.stem)
            paced = call("pace", run_file.stem, "--rate", "10/h")
            paused = call("pause", run_file.stem, "--reason", "not so fast")
        code = applying.wait(SOON)
    finally:
        if applying.returncode is None:
            applying.kill()
        ended = end(applying)

    assert f"process {applying.pid} of" in seen.out
    assert (paced.code, paused.code) == (0, 0), paced.err + paused.err
    assert code == 5
    assert "not so fast" in ended.out
