"""A log that is rotated by size: names, what is kept, several writers, kills, full disks.

Left out: rotation by other programs (test_logfile.py), the option (tests/cli/test_log_max_size.py).
"""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import LogError
from fleetpatch.report.logfile import FLUSH_SIZE, LogFile
from fleetpatch.report.rotation import KEPT, rotated

SIZE = 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r1.jsonl"


def line(number: int) -> bytes:
    return b"%08d\n" % number


def say(log: LogFile, *numbers: int) -> None:
    for number in numbers:
        log.write(line(number))
    log.flush()


def older(path: Path) -> list[Path]:
    """Return the rotated files, the oldest first."""
    return [one for one in reversed(rotated(path)) if one.exists()]


def everything(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in [*older(path), path] if one.exists())


def test_a_file_is_numbered_before_it_becomes_too_large_and_the_oldest_has_the_highest_number(
    path: Path,
) -> None:
    log = LogFile(path, max_size=SIZE)
    for number in range(30):
        say(log, number)
    log.close()

    assert [one.name for one in older(path)] == ["r1.jsonl.2", "r1.jsonl.1"]
    assert everything(path) == b"".join(map(line, range(30)))
    assert max(one.stat().st_size for one in [*older(path), path]) <= SIZE


def test_lines_that_are_written_together_are_divided_among_files_at_their_ends(path: Path) -> None:
    log = LogFile(path, max_size=FLUSH_SIZE)
    for first in (0, 10_000, 30_000):
        log.write(b"".join(map(line, range(first, first + first + 10_000))))
    log.close()

    assert everything(path) == b"".join(map(line, range(70_000)))
    files = [*older(path), path]
    assert len(files) > 9
    assert all(one.read_bytes().endswith(b"\n") for one in files)
    assert max(one.stat().st_size for one in files) <= FLUSH_SIZE
    assert {one.stat().st_mode & 0o777 for one in [*older(path), path]} == {0o600}


def test_a_log_that_is_opened_again_continues_its_file_and_its_numbers(path: Path) -> None:
    for number in range(30):
        log = LogFile(path, max_size=SIZE)
        say(log, number)
        log.close()

    assert len(older(path)) == 2
    assert everything(path) == b"".join(map(line, range(30)))


def test_the_latest_files_are_kept_and_the_oldest_removed(path: Path) -> None:
    log = LogFile(path, max_size=len(line(0)))
    for number in range(KEPT + 5):
        say(log, number)
    log.close()

    # One number is free if the last one was killed between two renames.
    assert KEPT - 1 <= len(older(path)) <= KEPT
    assert everything(path) == b"".join(map(line, range(4, KEPT + 5)))


def test_a_group_of_lines_that_is_larger_than_the_size_is_written_whole(path: Path) -> None:
    log = LogFile(path, max_size=SIZE)
    say(log, *range(50))
    say(log, 50)
    log.close()

    assert [one.read_bytes() for one in [*older(path), path]] == [
        b"".join(map(line, range(50))),
        line(50),
    ]


def test_without_a_size_a_log_is_never_rotated(path: Path) -> None:
    log = LogFile(path)
    say(log, *range(1000))
    log.close()
    assert not older(path)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/null"])
def test_a_stream_and_a_device_are_not_rotated(name: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fleetpatch.report.logfile import LogFile\n"
        f"log = LogFile(Path({name!r}), max_size=10)\n"
        "for number in range(5):\n    log.write(b'a line\\n'); log.flush()\n"
        "log.close()"
    )
    out = tmp_path / "out"
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert out.read_bytes() == (b"a line\n" * 5 if name == "/dev/stdout" else b"")
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_two_logs_of_one_file_lose_no_line_if_either_of_them_rotates(path: Path) -> None:
    logs = [LogFile(path, max_size=SIZE) for _ in range(2)]
    for number in range(150):
        say(logs[number % 2], number)
    for log in logs:
        log.close()

    assert len(older(path)) > 10
    assert sorted(everything(path).splitlines()) == sorted(
        line(number).strip() for number in range(150)
    )


def test_while_another_process_rotates_the_lines_go_to_the_file_as_it_is(path: Path) -> None:
    log = LogFile(path, max_size=SIZE)
    say(log, *range(11))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        say(log, 11)
        assert not older(path)
    say(log, 12)
    log.close()

    assert older(path)[0].read_bytes() == b"".join(map(line, range(12)))
    assert path.read_bytes() == line(12)


def test_a_file_that_logrotate_has_renamed_meanwhile_is_not_renamed_again(path: Path) -> None:
    log = LogFile(path, max_size=SIZE)
    say(log, *range(11))
    path.rename(path.with_name("by-logrotate"))
    path.write_bytes(b"")
    say(log, 11)
    log.close()

    assert not older(path)
    assert path.read_bytes() == line(11)


def test_a_rotation_that_was_interrupted_after_any_rename_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed between two renames leaves a gap, which the next one fills."""
    written = iter(range(10**6))
    kept: list[int] = []

    def fill(log: LogFile, files: int) -> None:
        for _ in range(files):
            group = [next(written) for _ in range(11)]
            kept.extend(group)
            say(log, *group)

    log = LogFile(path, max_size=SIZE)
    fill(log, 5)
    replace = Path.replace

    for renames in range(5):
        left = iter(range(renames))

        def die(
            self: Path,
            target: Path,
            *,
            left: Iterator[int] = left,
            replace: Callable[..., Path] = replace,
        ) -> Path:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", die)
        group = [next(written) for _ in range(11)]
        with pytest.raises(KeyboardInterrupt):
            say(log, *group)
        monkeypatch.setattr(Path, "replace", replace)
        # The process is gone, with the lines that it had not written.
        log = LogFile(path, max_size=SIZE)
        fill(log, 2)
    log.close()

    assert everything(path) == b"".join(map(line, kept))


def test_a_process_that_is_killed_while_it_rotates_leaves_whole_lines_in_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r1.jsonl"
    code = (
        "import sys; from pathlib import Path; from fleetpatch.report.logfile import LogFile\n"
        "log = LogFile(Path(sys.argv[1]), max_size=10_000)\n"
        "first = int(sys.argv[2])\n"
        "for number in range(first, first + 10**9):\n"
        "    log.write(b'%08d\\n' % number)\n"
        "    if number % 50 == 0:\n        log.flush()\n"
        "    if number == first + 20_000:\n        print('busy', flush=True)\n"
    )
    first = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(first)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"busy\n"
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        numbers = [int(one) for one in everything(path).splitlines()]
        # The oldest files may be gone; of what is kept, nothing is missing in between.
        assert numbers == sorted(numbers)
        assert all(one.stat().st_size <= 10_000 for one in older(path))
        first = numbers[-1] + 1
    # One number is free if the last one was killed between two renames.
    assert KEPT - 1 <= len(older(path)) <= KEPT


class FullDisk:
    """Lets `os.write` write a number of bytes, until the disk has room again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: int | None = None
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.free is None:
            return self._write(descriptor, data)
        if not self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, bytes(data[: self.free]))
        self.free -= written
        return written


@pytest.mark.parametrize("free", range(28))
@pytest.mark.parametrize("rotation", ["by size", "by logrotate", "none"])
def test_a_disk_that_was_full_divides_no_line_between_two_files(
    path: Path, monkeypatch: pytest.MonkeyPatch, free: int, rotation: str
) -> None:
    disk = FullDisk(monkeypatch)
    log = LogFile(path, max_size=SIZE if rotation == "by size" else None)
    say(log, *range(9))
    disk.free = free
    with pytest.raises(LogError, match="No space left"):
        say(log, 9, 10, 11, 12)
    disk.free = None
    if rotation == "by logrotate":
        path.rename(path.with_name(f"{path.name}.1"))
    say(log, 13)
    log.close()

    for one in [*older(path), path]:
        assert all(len(text) == 8 for text in one.read_bytes().splitlines()), one
    assert everything(path) == b"".join(map(line, range(14)))
    assert len(older(path)) == (rotation != "none")


@pytest.mark.parametrize("count", [1, 10, 30_000], ids=["one line", "a block", "a large block"])
@pytest.mark.parametrize("free", [0, 12, FLUSH_SIZE // 2])
def test_lines_that_found_a_disk_full_are_written_when_it_has_room(
    path: Path, monkeypatch: pytest.MonkeyPatch, free: int, count: int
) -> None:
    disk = FullDisk(monkeypatch)
    log = LogFile(path)
    fits = FLUSH_SIZE // len(line(0))
    log.write(b"".join(map(line, range(fits))))
    disk.free = free
    with pytest.raises(LogError, match="No space left"):
        log.write(b"".join(map(line, range(fits, fits + count))))
    disk.free = None
    log.close()

    assert everything(path) == b"".join(map(line, range(fits + count)))


def test_a_folder_in_which_nothing_can_be_renamed_is_refused_at_the_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch(mode=0o600)
    monkeypatch.setattr(os, "access", lambda *_args, **_more: False)
    with pytest.raises(LogError, match=r"r1\.jsonl: the log cannot be opened \(cannot be rotated"):
        LogFile(path, max_size=SIZE)
    LogFile(path).close()


@given(
    st.lists(st.sampled_from(["line", "lines", "rename", "remove", "truncate"]), max_size=KEPT),
    st.integers(1, 60),
)
@settings(max_examples=40, deadline=None)
def test_no_line_is_lost_or_doubled_by_any_mixture_of_rotations(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], size: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "r1.jsonl"
    log = LogFile(path, max_size=size)
    numbers, kept = iter(range(10**6)), b""
    for step in steps:
        if step in {"line", "lines"}:
            say(log, *(next(numbers) for _ in range(1 if step == "line" else 7)))
        elif path.exists():
            kept += everything(path)
            for one in older(path):
                one.unlink()
            if step == "rename":
                path.rename(path.with_name("elsewhere"))
            elif step == "remove":
                path.unlink()
            else:
                os.truncate(path, 0)
    log.close()
    kept += everything(path)

    assert kept == b"".join(map(line, range(next(numbers))))
