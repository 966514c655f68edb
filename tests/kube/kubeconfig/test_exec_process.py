"""The process of a credential plugin: what it may write, and that it ends in every case.

Covered: floods on stderr and stdout, prompts, the time limit, cancellation, SIGKILL of our own
process, plugins that ignore SIGTERM or leave processes behind. Left out: what its output means
(test_exec_auth).
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from fleetpatch.kube.kubeconfig import exec_process
from fleetpatch.kube.kubeconfig.exec_process import OUTPUT_LIMIT, PluginResult
from tests.e2e.tool import HANG, SOON, eventually

FOREVER = "while :; do sleep 0.1; done"
NUMBERED = f"""\
sh -c 'echo $$ >child.tmp; mv child.tmp child; {FOREVER}' &
echo $$ >plugin.tmp; mv plugin.tmp plugin
"""
"""Writes the ids of the process and of a child that runs forever into files."""


class Shown:
    """The stderr that is shown to a person; `begun` is set at its first output."""

    def __init__(self) -> None:
        self.text = b""
        self.begun = anyio.Event()

    def __call__(self, chunk: bytes) -> None:
        self.text += chunk
        anyio.from_thread.run_sync(self.begun.set)


async def run(
    script: str, folder: Path, shown: Shown | None = None, limit: float = 30
) -> PluginResult:
    command = ["/bin/sh", "-c", f"cd {folder}; {script}"]
    return await exec_process.run(
        command, os.environ, interactive=False, time_limit=limit, show=shown or Shown()
    )


def alive(folder: Path, name: str) -> bool:
    """Return whether a process is alive; on a busy machine it may be ended before it has begun."""
    try:
        os.kill(int((folder / name).read_text()), 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def ends(folder: Path) -> None:
    """Assert that the plugin and its child end."""
    eventually(lambda: not (alive(folder, "plugin") or alive(folder, "child")), "both are gone")


def runs_in(folder: Path) -> bool:
    return (folder / "plugin").exists() and (folder / "child").exists()


async def test_the_result_has_the_exit_code_stdout_and_the_end_of_stderr(tmp_path: Path) -> None:
    shown = Shown()

    ended = await run("echo out; echo words >&2; exit 3", tmp_path, shown)

    assert (ended.exit_code, ended.stdout, ended.stderr_end, ended.is_cut) == (
        3,
        b"out\n",
        b"words\n",
        False,
    )
    assert shown.text == b"words\n"
    assert "out" not in repr(ended)


async def test_a_flood_on_stderr_is_copied_and_does_not_block(tmp_path: Path) -> None:
    shown = Shown()

    ended = await run("head -c 400000 /dev/zero | tr '\\0' x >&2; echo answer", tmp_path, shown)

    assert ended.stdout == b"answer\n"
    assert shown.text == b"x" * 400_000


async def test_what_a_plugin_wrote_is_read_after_its_end_though_the_machine_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gets_no_time(_pipe: object) -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""

    monkeypatch.setattr(exec_process, "_chunks", gets_no_time)
    monkeypatch.setattr(exec_process, "_DRAIN_TIMEOUT", 0.0)
    shown = Shown()

    ended = await run("echo answer; echo words >&2", tmp_path, shown)

    assert (ended.exit_code, ended.stdout, ended.stderr_end) == (0, b"answer\n", b"words\n")
    assert shown.text == b"words\n"


async def test_a_stopped_terminal_does_not_cost_the_answer(tmp_path: Path) -> None:
    continued = threading.Event()

    def show(_chunk: bytes) -> None:
        (tmp_path / "shown").touch()
        continued.wait()

    first = "echo one >&2; until [ -e shown ]; do sleep 0.01; done"
    command = ["/bin/sh", "-c", f"cd {tmp_path}; {first}; echo two >&2; echo answer"]
    try:
        ended = await exec_process.run(
            command, os.environ, interactive=False, time_limit=SOON, show=show
        )
    finally:
        continued.set()

    assert (ended.exit_code, ended.stdout) == (0, b"answer\n")
    assert ended.stderr_end == b"one\ntwo\n"


async def test_stderr_is_copied_up_to_a_limit(tmp_path: Path) -> None:
    shown = Shown()
    flood = f"head -c {3 * OUTPUT_LIMIT} /dev/zero | tr '\\0' x >&2; echo ' the end' >&2"

    ended = await run(flood, tmp_path, shown)

    assert OUTPUT_LIMIT <= len(shown.text) < OUTPUT_LIMIT + 100_000
    assert shown.text.endswith(b"more output of the credential plugin is not shown]\n")
    assert ended.stderr_end == b" the end\n", "a word whose beginning is lost may be half a secret"


async def test_a_prompt_is_shown_while_the_plugin_waits_for_the_person(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "person")
    shown = Shown()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "printf 'enter ABCD' >&2; read line <person", tmp_path, shown)
        with anyio.fail_after(20):
            await shown.begun.wait()
        assert shown.text == b"enter ABCD"
        await anyio.to_thread.run_sync((tmp_path / "person").write_text, "done\n")


@pytest.mark.parametrize("flood", ["yes", "cat /dev/zero", "yes >&1 & yes"])
async def test_a_flood_on_stdout_ends_the_plugin(tmp_path: Path, flood: str) -> None:
    ended = await run(f"{NUMBERED} until [ -e child ]; do sleep 0.01; done; {flood}", tmp_path)

    assert ended.is_cut
    assert OUTPUT_LIMIT < len(ended.stdout) < 2 * OUTPUT_LIMIT
    ends(tmp_path)


@pytest.mark.parametrize("script", [FOREVER, f"trap '' TERM; {FOREVER}", "exec sleep 1000"])
async def test_a_plugin_ends_at_its_time_limit_with_all_its_processes(
    tmp_path: Path, script: str
) -> None:
    with pytest.raises(TimeoutError):
        await run(f"{NUMBERED} {script}", tmp_path, limit=1)

    ends(tmp_path)


async def test_a_plugin_ends_when_the_call_is_cancelled(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, f"{NUMBERED} {FOREVER}", tmp_path)
        await anyio.to_thread.run_sync(eventually, lambda: runs_in(tmp_path), "it runs")
        tasks.cancel_scope.cancel()

    ends(tmp_path)


@pytest.mark.parametrize("cause", ["time limit", "cancellation", "flood"])
async def test_the_event_loop_continues_while_a_plugin_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    # Until then it may take its time: it ends when the event loop has answered it.
    monkeypatch.setattr(exec_process, "_TERMINATION_TIMEOUT", SOON)
    reply = ": >asked; until [ -e answered ]; do sleep 0.01; done; : >heard; exit"
    # Not before the child has its file: the flood ends the group, and the child does not trap it.
    flood = "until [ -e child ]; do sleep 0.01; done; yes;" if cause == "flood" else ""
    patient = f"trap '{reply}' TERM; {NUMBERED} {flood} {FOREVER}"
    limit = 2 if cause == "time limit" else HANG

    async def run_to_its_end() -> None:
        with suppress(TimeoutError):
            await run(patient, tmp_path, limit=limit)

    async with anyio.create_task_group() as tasks:
        calls = anyio.CancelScope()

        async def call() -> None:
            with calls:
                await run_to_its_end()

        tasks.start_soon(call)
        await anyio.to_thread.run_sync(eventually, lambda: runs_in(tmp_path), "it runs")
        if cause == "cancellation":
            calls.cancel()
        await anyio.to_thread.run_sync(eventually, (tmp_path / "asked").exists, "SIGTERM came")
        (tmp_path / "answered").touch()

    assert (tmp_path / "heard").exists(), "SIGKILL came before the event loop went on"

    ends(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_plugin_ends_when_our_process_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    endless = f"trap '' TERM HUP; {NUMBERED} echo running >&2; {FOREVER}"
    program = f"""
import anyio, os
from fleetpatch.kube.kubeconfig import exec_process
async def main():
    command = ["/bin/sh", "-c", {f"cd {tmp_path}; {endless}"!r}]
    await exec_process.run(command, os.environ, interactive=False, time_limit=60)
anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        # Our process copies stderr only after it has told the watchdog whom to end.
        assert process.stderr is not None
        assert process.stderr.readline() == b"running\n"
        eventually(lambda: runs_in(tmp_path), "it runs")
        process.send_signal(number)

    assert process.returncode == -number
    ends(tmp_path)


async def test_processes_that_a_plugin_leaves_behind_are_neither_awaited_nor_ended(
    tmp_path: Path,
) -> None:
    ended = await run(f"{NUMBERED} echo answer", tmp_path)

    assert (ended.exit_code, ended.stdout) == (0, b"answer\n")
    eventually(lambda: runs_in(tmp_path), "it runs")
    assert alive(tmp_path, "child")
    os.killpg(int((tmp_path / "plugin").read_text()), signal.SIGKILL)


async def test_a_plugin_has_no_stdin_unless_it_may_ask(tmp_path: Path) -> None:
    assert (await run("cat; echo end", tmp_path)).stdout == b"end\n"


async def test_a_command_that_cannot_be_started_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        await exec_process.run(["/no/such"], {}, interactive=False, time_limit=1)
    with pytest.raises(ValueError, match="null"):
        await exec_process.run(["/bin/true", "\0"], {}, interactive=False, time_limit=1)


async def test_a_plugin_runs_without_a_shell_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen

    def without_shell(command: list[str], **options: object) -> object:
        if "kill" in " ".join(command):
            raise FileNotFoundError
        return started(command, **options)  # type: ignore[call-overload] # handed on as it came

    monkeypatch.setattr(subprocess, "Popen", without_shell)

    assert (await run("echo answer", tmp_path)).stdout == b"answer\n"


def test_a_closed_stderr_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)

    exec_process.show_on_stderr(b"lost")
