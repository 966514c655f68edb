"""Local failures in the middle of a run: disks, streams, folders and clocks.

Covered: a run file and a log that cannot grow, a state folder that is read-only or gone, standard
streams that are closed, full or not read to the end, a wall clock that steps back and forth. Then
the run ends with a clear line and without a traceback, or goes on as if nothing had happened;
its record is intact; going on afterwards accounts for every target, and sends none twice but those
that were on the wire when it broke.
Left out: damaged run files (tests/journal), being killed (test_kills.py).
"""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.campaign.planning.plan import expand
from fleetpatch.campaign.running.apply import apply
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.clock import SystemClock
from tests.cli.calling import Ended
from tests.e2e.disks import mounted
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import HANG, SOON, Tool, end, eventually, plan, without_bytecode
from tests.plans import plan_from

JOBS = 2000
BATCH_JOBS = JOBS // 5
IN_FLIGHT = 8
ONE_LINE = re.compile(r"fleetpatch: [^\n]+\n")


def paint(**more: Any) -> dict[str, Any]:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    patch = {"labels": {"colour": "red"}}
    return plan("paint", block, patch=patch, pace={"concurrency": IN_FLIGHT, **more})


def shell(script: str) -> Sequence[str]:
    """The beginning of a command line: `script` runs the rest of it as `"$@"`."""
    return ["sh", "-c", script, "sh"]


def broke(ended: Ended, message: str) -> None:
    assert ended.code == 1, ended
    assert ONE_LINE.fullmatch(ended.notes), ended.err
    assert re.search(message, ended.err), ended.err


def goes_on(tool: Tool, server: SandboxServer, *words: object) -> None:
    """Resume, and account for every target."""
    sent = server.patches()
    assert len(sent) < BATCH_JOBS, "it broke under way"

    ended = tool.run("resume", "paint", "-o", "json", *words)

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == ended.json["targets"] == BATCH_JOBS
    again = [path for path, count in server.patches().items() if count > 1]
    assert len(again) <= IN_FLIGHT
    assert set(again) <= set(sent)
    for target in tool.targets("paint")[::50]:
        assert server.metadata(target)["labels"]["colour"] == "red"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    with mounted(tmp_path / "small", "1m") as folder:
        yield folder


def test_a_run_file_that_cannot_grow_ends_the_run_with_its_record_intact(tool: Tool) -> None:
    with sandbox(tool, jobs=JOBS) as server:
        file = tool.write("plan.yaml", paint(rate="400/s", burst=1))
        planned = tool.run("plan", file, "-o", "json").json
        blocks = Path(planned["runFile"]).stat().st_size // 512 + 16
        limited = shell(f'ulimit -f {blocks}; exec "$@"')
        words = ("apply", "paint", "--yes", "--log-file", "/dev/null")

        ended = end(without_bytecode(tool).start(*words, under=limited))

        broke(ended, r"run file \S+\.run: .*(size limit|disk is full).*targets have ended.*resume")
        goes_on(tool, server)


def test_a_run_file_on_a_full_disk_ends_the_run_with_its_record_intact(
    tool: Tool, small_disk: Path
) -> None:
    with sandbox(tool, jobs=JOBS) as server:
        file = tool.write("plan.yaml", paint(rate="400/s", burst=1))
        run_file = small_disk / "paint.run"
        assert tool.run("plan", file, "--run-file", run_file).code == 0
        (small_disk / "ballast").write_bytes(bytes(_free(small_disk) - 120 * 1024))

        ended = tool.run("apply", run_file, "--yes", "--log-file", "/dev/null")

        broke(
            ended,
            r"run file \S+\.run: .*disk.*run paint-\S+: [1-9]\d* of \d+ targets have ended.*resume",
        )
        assert tool.run("status", run_file, "-o", "json").json["targets"] == BATCH_JOBS
        (small_disk / "ballast").unlink()
        assert 0 < server.sent() < BATCH_JOBS
        again = tool.run("resume", run_file, "-o", "json", "--log-file", "/dev/null")
        assert again.json["outcomes"]["applied"] == BATCH_JOBS


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def test_a_log_on_a_full_disk_stops_the_run_and_what_was_sent_is_on_record(
    tool: Tool, small_disk: Path
) -> None:
    with sandbox(tool, jobs=JOBS) as server:
        file = tool.write("plan.yaml", paint(rate="400/s", burst=1))
        (small_disk / "ballast").write_bytes(bytes(_free(small_disk) - 16 * 1024))

        ended = tool.run("apply", file, "--yes", "--log-file", small_disk / "log.jsonl")

        broke(
            ended, r"log\.jsonl: the log cannot be written \(No space left.*--log-file.*have ended"
        )
        status = tool.run("status", "paint", "-o", "json").json
        assert status["state"] == "paused"
        assert "the log cannot be written" in status["cause"]
        assert 0 < status["outcomes"]["applied"] == server.sent() < BATCH_JOBS
        goes_on(tool, server)
        assert set(server.patches().values()) == {1}


def test_a_state_folder_that_turned_read_only_stops_the_run_before_anything_is_sent(
    tool: Tool, small_disk: Path
) -> None:
    with sandbox(tool, jobs=JOBS) as server:
        file = tool.write("plan.yaml", paint())
        words = ("--state-dir", small_disk)
        assert tool.run("plan", file, *words).code == 0
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

        ended = tool.run("apply", "paint", "--yes", *words)

        broke(ended, r"Read-only file system")
        assert server.sent() == 0
        assert tool.run("status", "paint", *words).code == 0


def test_a_state_folder_that_is_removed_under_way_stops_the_run(tool: Tool) -> None:
    with sandbox(tool, jobs=JOBS) as server:
        process = tool.fork("apply", tool.write("plan.yaml", paint(rate="5/s", burst=1)), "--yes")
        eventually(lambda: server.sent() >= 5, "some patches")
        # At once: the process writes files there, which a removal one by one could leave over.
        gone = tool.state.rename(tool.folder / "gone")
        sent = server.sent()

        ended = end(process, timeout=SOON)

        broke(ended, r"run file \S+\.run: No such file or directory")
        assert server.sent() <= sent + 2 * IN_FLIGHT
        shutil.rmtree(gone)


@pytest.mark.parametrize(
    "script",
    [
        'exec "$@" >&-',
        'exec "$@" 2>&-',
        'exec "$@" <&- >&- 2>&-',
        'exec "$@" 2>/dev/full',
        '{ "$@"; echo $? > code; } | head -c 0; exit $(cat code)',
        '{ "$@" 2>&1; echo $? > code; } | head -1; exit $(cat code)',
    ],
)
def test_a_run_does_not_depend_on_the_reader_of_its_output(tool: Tool, script: str) -> None:
    with sandbox(tool, jobs=100) as server:
        file = tool.write("plan.yaml", paint())

        ended = end(tool.start("apply", file, "--yes", under=shell(script)))

        assert (ended.code, ended.notes) == (0, "")
        assert server.sent() == 20
        assert tool.run("status", "paint", "-o", "json").json["outcomes"]["applied"] == 20


def test_a_result_for_a_full_disk_is_an_error_and_the_run_is_on_record(tool: Tool) -> None:
    with sandbox(tool, jobs=100):
        full = shell('exec "$@" >/dev/full')
        file = tool.write("plan.yaml", paint())

        applied = end(tool.start("apply", file, "--yes", "--quiet", under=full))
        broke(applied, r"cannot be written to stdout \(No space")
        (run,) = (path.stem for path in tool.state.rglob("*.run"))
        assert f"; run {run}: 20 of 20 targets have ended; `fleetpatch status {run}" in applied.err
        for words in (("status",), ("targets", "paint")):
            broke(end(tool.start(*words, under=full)), r"stdout \(No space[^;]*\)\n")

        assert tool.run("status", "paint", "-o", "json").json["outcomes"]["applied"] == 20


class _SteppingClock(SystemClock):
    """A wall clock that is set again and again, by up to a year."""

    def wall(self) -> float:
        return super().wall() + random.choice([-1, 0, 1]) * random.random() * 31_536_000


async def test_a_wall_clock_that_steps_back_and_forth_changes_nothing(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chaos = {"rules": [{"status": 429, "retryAfter": 1, "times": 1, "rate": 0.05}]}
    with sandbox(tool, jobs=500, chaos=chaos) as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
        settings = Settings(tool.state, clock=_SteppingClock())

        planned = await expand(plan_from(paint()), settings)
        summary = await apply(planned.run_file, settings)

        assert summary.tally.applied == summary.tally.total == 100
        assert 0 < summary.usage.elapsed < HANG
        assert len(server.patches()) == 100
