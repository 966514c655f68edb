"""Files of the command line: missing home folders, links at our paths, full disks, warnings.

Covered: an environment without HOME and an account, locks and logs with links in their place, state
directories of others, modes whatever the umask, the sandbox's kubeconfig, runs beside odd entries,
a disk that is full while planning, a server whose certificate is not verified, small limits.
Left out: the checks of files one by one (tests/test_files.py), logs that are rotated
(tests/report/test_logfile.py), disks that are full later (tests/e2e/test_own_side.py).
"""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.cli.calling import Caller, Ended, call_main
from tests.cli.conftest import as_anybody, paint, pause
from tests.control_plane.processes import free_ports
from tests.e2e.disks import mounted
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, without_bytecode


@pytest.fixture(autouse=True)
def good_plan(tool: Tool) -> None:
    tool.write("plan.yaml", paint())


def refused(ended: Ended, said: str) -> None:
    assert (ended.code, ended.out) == (1, ""), ended.err
    assert ended.err.startswith("fleetpatch: ")
    assert ended.err.count("\n") == 1
    assert said in ended.err


NO_ACCOUNT = """
import pwd, sys

def unknown(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = unknown
sys.argv = ["fleetpatch", *sys.argv[1:]]
from fleetpatch.cli.app import main
main()
"""
"""A uid that no account has, as in a container."""


def almost_empty(tool: Tool, *, state: bool = True) -> dict[str, str]:
    """Return an environment that holds next to nothing."""
    names = ("KUBECONFIG", "PYTHONPATH", "PYTHONWARNINGS")
    environment = {name: value for name, value in tool.environment.items() if name in names}
    if state:
        environment["FLEETPATCH_STATE_DIR"] = str(tool.state)
    return environment


def without_home(tool: Tool, *words: object, state: bool = True) -> Ended:
    """Run in such an environment, as a uid without an account."""
    unknown = KeyError("getpwuid(): uid not found")
    with (
        chdir(tool.folder),
        patch.dict(os.environ, almost_empty(tool, state=state), clear=True),
        patch.object(pwd, "getpwuid", side_effect=unknown),
    ):
        return call_main(*words)


def test_a_process_starts_without_a_home_folder(tool: Tool) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NO_ACCOUNT, "plan", "plan.yaml"],
        cwd=tool.folder,
        env=almost_empty(tool),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_but_the_state_directory_and_the_kubeconfig_is_needed(tool: Tool) -> None:
    for words in (
        ("plan", "plan.yaml"),
        ("status",),
        ("targets", "paint"),
        ("apply", "plan.yaml", "--dry-run", "--yes", "-o", "json"),
        ("--help",),
    ):
        ended = without_home(tool, *words)
        assert (ended.code, ended.notes) == (0, "")


@pytest.mark.parametrize("words", [("status",), ("plan", "plan.yaml"), ("demo",), ("undo", "x")])
def test_without_a_home_folder_the_error_names_the_ways_to_set_a_state_directory(
    tool: Tool, words: tuple[str, ...]
) -> None:
    ended = without_home(tool, *words, state=False)

    refused(ended, "there is no home folder for run files; name a folder with --state-dir")


def test_without_a_home_folder_there_is_no_kubeconfig_by_default(tool: Tool) -> None:
    ended = without_home(replace(tool, kubeconfig=None), "plan", "plan.yaml")

    refused(ended, "set KUBECONFIG or write ~/.kube/config")


@pytest.fixture
def victim(tool: Tool, server: SandboxServer) -> Iterator[Path]:
    """A file that a test must leave as it is, and send nothing."""
    victim = tool.folder / "victim"
    victim.write_text("precious")
    sent = server.sent()
    yield victim
    assert victim.read_text() == "precious"
    assert server.sent() == sent


@pytest.mark.parametrize("put", ["symlink_to", "hardlink_to"])
def test_a_link_in_place_of_a_lock_is_refused_and_its_target_unchanged(
    call: Caller, tool: Tool, victim: Path, put: str
) -> None:
    call("plan", "plan.yaml")
    (run_file,) = tool.state.rglob("*.run")
    for lock in (tool.state / "locks" / "paint.lock", run_file.with_name(f"{run_file.name}.lock")):
        getattr(lock, put)(victim)

        refused(call("apply", "paint", "--yes"), f"{lock}: the lock cannot be opened (")
        lock.unlink()


@pytest.mark.parametrize("put", ["symlink_to", "hardlink_to"])
def test_a_link_in_the_place_of_the_log_stops_the_run_before_anything_is_sent(
    call: Caller, tool: Tool, victim: Path, put: str
) -> None:
    call("plan", "plan.yaml")
    (log,) = tool.state.rglob("*.jsonl")
    log.unlink()
    getattr(log, put)(victim)
    getattr(tool.folder / "named.jsonl", put)(victim)

    refused(call("apply", "paint", "--yes"), f"{log}: the log cannot be opened (")
    ended = call("apply", "paint", "--yes", "--log-file", "named.jsonl")
    refused(ended, "named.jsonl: the log cannot be opened (")


@pytest.mark.parametrize("put", ["symlink_to", "hardlink_to"])
def test_a_run_file_is_not_written_through_a_link(
    call: Caller, tool: Tool, server: SandboxServer, put: str
) -> None:
    call("plan", "plan.yaml")
    (run_file,) = tool.state.rglob("*.run")
    elsewhere = run_file.rename(tool.folder / "elsewhere.run")
    getattr(run_file, put)(elsewhere)
    sent = server.sent()

    ended = call("apply", run_file.stem, "--yes")

    refused(ended, "link")
    assert call("status", run_file.stem).code == 0
    assert server.sent() == sent


@pytest.mark.parametrize("words", [("plan", "plan.yaml"), ("apply", "plan.yaml", "--yes")])
@pytest.mark.parametrize("part", ["", "runs", "locks"])
def test_a_state_directory_that_others_may_write_to_is_refused(
    call: Caller, tool: Tool, server: SandboxServer, words: tuple[str, ...], part: str
) -> None:
    folder = tool.state / part
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    sent = server.sent()

    refused(call(*words), f"{folder}: others may write to this folder (mode 0777)")
    assert server.sent() == sent
    folder.chmod(0o1777)
    assert call("plan", "plan.yaml").code == 0


def test_files_and_folders_are_private_whatever_the_umask(tool: Tool) -> None:
    deep = tool.folder / "a" / "b" / "state"

    for mask in ("000", "777"):
        script = ["sh", "-c", f'umask {mask}; exec "$@"', "sh"]
        ended = end(tool.start("plan", "plan.yaml", "--state-dir", deep, under=script))
        assert ended.code == 0, ended.err

    made = [tool.folder / "a", *(tool.folder / "a").rglob("*")]
    assert len(made) > 6
    assert all(path.stat().st_mode & 0o7777 == (0o700 if path.is_dir() else 0o600) for path in made)


@pytest.mark.parametrize("put", ["symlink_to", "hardlink_to"])
def test_the_sandbox_replaces_no_link_by_its_kubeconfig(call: Caller, tool: Tool, put: str) -> None:
    victim = tool.folder / "victim"
    victim.write_text("precious")
    getattr(tool.folder / "mine", put)(victim)

    refused(call("sandbox", "--jobs", 1, "--kubeconfig", "mine"), "mine: cannot be written: ")
    assert victim.read_text() == "precious"


def test_the_sandbox_removes_no_device(call: Caller, tool: Tool) -> None:
    pipe = tool.folder / "pipe"
    os.mkfifo(pipe)

    refused(call("sandbox", "--jobs", 1, "--kubeconfig", "pipe"), "is a named pipe")
    assert pipe.is_fifo()


def test_odd_entries_among_the_runs_are_named_and_stop_nothing(tool: Tool) -> None:
    runs = tool.state / "runs"
    tool.run("plan", "plan.yaml")
    (sound,) = runs.glob("*.run")
    pause(sound)
    os.mkfifo(runs / "pipe.run")
    (runs / "dangling.run").symlink_to("nowhere")
    (runs / "loop.run").symlink_to("loop.run")
    (runs / "folder.run").mkdir()
    (runs / "device.run").symlink_to("/dev/zero")

    listed = tool.run("status")
    tried = tool.run("apply", "plan.yaml", "--dry-run", "--yes")
    went_on = tool.run("apply", "plan.yaml")

    assert listed.code == tried.code == 0
    assert sound.stem in listed.out
    for name in ("pipe", "dangling", "loop", "folder", "device"):
        assert f"{name}.run" in listed.err
        for verb in ("status", "targets", "apply", "resume", "undo"):
            ended = tool.run(verb, name)
            assert ended.code in {1, 2}
            assert f"{name}" in ended.err
            assert ended.err.count("\n") == 1, ended.err
    assert f"Resuming the unfinished run {sound.stem}" in went_on.err


def test_a_name_that_no_file_can_have_is_not_a_run(call: Caller) -> None:
    for verb in ("status", "apply"):
        ended = call(verb, "x" * 5000)
        assert ended.code == 2
        assert "no such run" in ended.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with mounted(tmp_path / "small", "256k") as folder:
        yield folder


@pytest.mark.parametrize("left", [0, 4, 16, 40, 60])
def test_a_disk_that_is_full_while_planning_keeps_no_run_and_the_advice_says_so(
    call: Caller, small_disk: Path, left: int
) -> None:
    found = os.statvfs(small_disk)
    ballast = bytes(found.f_bavail * found.f_frsize - left * 1024)
    (small_disk / "ballast").write_bytes(ballast)

    ended = call("plan", "plan.yaml", "--state-dir", small_disk / "state")

    if "run file" in ended.err:
        refused(ended, "then plan again; nothing was sent, and the run was not kept")
        assert not list(small_disk.rglob("*.run*"))
    else:
        assert ended.code == 0 or "cannot be written" in ended.err or "No space" in ended.err
    assert "resume the run" not in ended.err


@pytest.mark.parametrize(
    ("left", "advice"),
    [
        # The file of the run cannot be opened to read what is in doubt.
        (16, "then try again"),
        (40, "then try again"),
        (80, "then undo again with `fleetpatch undo {}`; nothing was sent, and no undo was kept"),
    ],
)
def test_a_disk_that_is_full_while_an_undo_is_planned_leads_to_another_undo(
    own: Tool, monkeypatch: pytest.MonkeyPatch, left: int, advice: str
) -> None:
    call = own.caller(monkeypatch)
    with sandbox(own, jobs=100), mounted(own.folder / "disk", "600k") as disk:
        state = ("--state-dir", disk / "state")
        run = call("apply", "plan.yaml", "--yes", "-o", "json", *state).json["run"]
        found = os.statvfs(disk)
        ballast = bytes(max(0, found.f_bavail * found.f_frsize - left * 1024))
        (disk / "ballast").write_bytes(ballast)

        ended = call("undo", run, *state)

    refused(ended, " full")
    refused(ended, f"make room, {advice.format(run)}")


def test_a_run_file_that_may_not_grow_while_planning_is_not_kept(tool: Tool) -> None:
    for blocks in (1, 8, 40):
        limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"]
        ended = end(without_bytecode(tool).start("plan", "plan.yaml", under=limited))
        refused(ended, "then plan again; nothing was sent, and the run was not kept")
        assert not list(tool.state.rglob("*.run"))


def test_few_open_files_are_an_error_and_no_traceback(tool: Tool) -> None:
    for files in (8, 12, 20):
        limited = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]
        ended = end(tool.start("plan", "plan.yaml", under=limited))
        assert "Traceback" not in ended.err or "init_import_site" in ended.err, ended.err


def insecure(tool: Tool, server: str) -> Path:
    context: dict[str, Any] = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}],
        "clusters": [
            {"name": "prod", "cluster": {"server": server, "insecure-skip-tls-verify": True}}
        ],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    return tool.write("insecure.kubeconfig", json.dumps(context))


def test_a_certificate_that_is_not_verified_is_warned_of_on_stderr_before_anything_is_sent(
    tool: Tool,
) -> None:
    (port,) = free_ports(1)
    address = f"https://127.0.0.1:{port}"
    lenient = replace(tool, kubeconfig=insecure(tool, address))

    ended = lenient.run("plan", "plan.yaml")

    assert ended.err.startswith(
        f"warning: cluster prod ({address}): insecure-skip-tls-verify is on"
    )
    assert ended.err.count("warning") == 1


def test_a_state_directory_that_is_not_writable_is_reported(call: Caller, tool: Tool) -> None:
    call("plan", "plan.yaml")
    runs = tool.state / "runs"
    with as_anybody(tool.folder):
        runs.chmod(0o500)
        ended = call("apply", "paint", "--yes")
        runs.chmod(0o700)

    refused(ended, "Permission denied")
