"""The file of the log: rotated or removed while it is written, links at its path, streams by name.

Left out: the content of the lines (test_logs.py), full disks (test_logs.py, tests/e2e).
"""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import LogError
from fleetpatch.report.logfile import LogFile, is_other_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r1.jsonl"


def say(log: LogFile, *lines: bytes) -> None:
    for line in lines:
        log.write(line + b"\n")
    log.flush()


LINES = b'{"timestamp":"2026-01-01T00:00:00.000Z"}\n{"timestamp":"2026-01-01T00:00:01.000Z"}\n'


@pytest.mark.parametrize("cut", range(len(LINES)))
def test_a_log_is_known_wherever_a_crash_has_cut_it(path: Path, cut: int) -> None:
    path.write_bytes(LINES[:cut])
    assert not is_other_file(path)

    # The next session begins a new line, which a rotation may put into a new file.
    log = LogFile(path)
    say(log, LINES)
    log.close()
    assert not is_other_file(path)
    for kept in (b"\n" + LINES, LINES[cut:] + LINES):
        path.write_bytes(kept)
        assert not is_other_file(path)


def test_lines_of_another_program_may_be_in_a_log(path: Path) -> None:
    path.write_text('{"event":"backup.finished"}\n')

    assert not is_other_file(path)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: fleetpatch/v1\n",
        '{\n  "apiVersion": "fleetpatch/v1"\n}\n',
        "{apiVersion: fleetpatch/v1}\n",
        '{"apiVersion":"fleetpatch/v1"}\n',
        '\n\nkind: {"a": 1}\n',
        "SQLite format 3\0",
        "[]\n",
        " ",
    ],
)
def test_another_file_is_no_log(path: Path, text: str) -> None:
    path.write_text(text)

    assert is_other_file(path)


@pytest.mark.parametrize("name", [".", "..", "/", "/dev", "/dev/shm", "/proc/self/fd"])
def test_a_folder_is_no_log(path: Path, name: str) -> None:
    assert is_other_file(path.parent / name)


def test_streams_devices_and_missing_files_are_no_other_files(path: Path) -> None:
    os.mkfifo(path)
    with path.with_name("other").open("w+b") as other:
        other.write(b"text")
        other.flush()
        named = [path, path.with_name("none"), path / "x", Path("-"), Path("/dev/null")]
        named.append(Path(f"/dev/fd/{other.fileno()}"))
        assert [one for one in named if is_other_file(one)] == []


def test_a_log_that_was_renamed_is_opened_again_at_its_path(path: Path) -> None:
    log = LogFile(path, is_default_path=True)
    say(log, b"one")
    rotated = path.rename(path.with_suffix(".1"))
    say(log, b"two")
    log.close()

    assert rotated.read_text() == "one\n"
    assert path.read_text() == "two\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_renamed_and_created_again_is_appended_to(path: Path) -> None:
    log = LogFile(path)
    say(log, b"one")
    path.rename(path.with_suffix(".1"))
    path.write_text("made by logrotate\n")
    say(log, b"two")
    log.close()

    assert path.read_text() == "made by logrotate\ntwo\n"


def test_a_log_that_was_removed_is_made_again(path: Path) -> None:
    log = LogFile(path)
    say(log, b"one")
    path.unlink()
    log.write(b"two\n")
    log.close()

    assert path.read_text() == "two\n"


def test_a_log_that_was_replaced_by_another_file_is_found_again(path: Path) -> None:
    log = LogFile(path)
    say(log, b"one")
    other = path.with_name("other")
    other.write_text("another\n")
    other.replace(path)
    say(log, b"two")
    log.close()

    assert path.read_text() == "another\ntwo\n"


def test_a_log_that_was_copied_and_truncated_continues_at_its_new_end(path: Path) -> None:
    log = LogFile(path)
    say(log, b"one")
    shutil.copy(path, path.with_suffix(".1"))
    os.truncate(path, 0)
    say(log, b"two")
    log.close()

    assert path.read_bytes() == b"two\n"


@pytest.mark.parametrize("losses", [1, 1000])
def test_lines_that_were_written_while_the_log_was_removed_are_written_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, losses: int
) -> None:
    """A log that is removed at every write does not hold up the process either."""
    log = LogFile(path)
    write, left = os.write, iter(range(losses))

    def write_too_late(descriptor: int, data: bytes) -> int:
        if next(left, None) is not None:
            path.unlink()
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_too_late)
    say(log, b"one", b"two")
    monkeypatch.setattr(os, "write", write)
    say(log, b"three")
    log.close()

    assert path.read_text() == "one\ntwo\nthree\n"


@given(st.lists(st.sampled_from(["line", "rename", "remove", "truncate"]), max_size=30))
@settings(max_examples=40, deadline=None)
def test_no_line_is_lost_or_doubled_by_any_rotation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("log") / "r1.jsonl"
    log = LogFile(path)
    kept: list[bytes] = []
    written: list[bytes] = []
    for number, step in enumerate(steps):
        if step == "line":
            written.append(b"%d" % number)
            say(log, written[-1])
        elif path.exists():
            kept += path.read_bytes().splitlines()
            if step == "rename":
                path.rename(path.with_name(f"rotated-{number}"))
            elif step == "remove":
                path.unlink()
            else:
                os.truncate(path, 0)
    log.close()
    kept += path.read_bytes().splitlines() if path.exists() else []

    assert kept == written


@pytest.mark.parametrize("is_default_path", [True, False])
def test_a_link_in_place_of_the_log_is_refused_and_its_target_unchanged(
    path: Path, is_default_path: bool
) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    for put in (path.symlink_to, path.hardlink_to):
        put(victim)
        with pytest.raises(
            LogError, match=r"r1\.jsonl: the log cannot be opened \((is|has) .*link"
        ):
            LogFile(path, is_default_path=is_default_path)
        path.unlink()
    assert victim.read_text() == "precious"


def test_a_link_that_takes_the_place_of_the_log_under_way_is_refused(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    log = LogFile(path)
    say(log, b"one")
    path.unlink()
    path.symlink_to(victim)
    log.write(b"two\n")

    with pytest.raises(LogError, match="symbolic link"):
        log.flush()
    path.unlink()
    log.close()
    assert victim.read_text() == "precious"
    assert path.read_text() == "two\n"


def test_a_pipe_in_the_place_of_our_log_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)

    with pytest.raises(LogError, match="is a named pipe"):
        LogFile(path, is_default_path=True)


def test_a_pipe_that_a_person_names_is_written_to(path: Path) -> None:
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()

    log = LogFile(path)
    say(log, b"one")
    log.close()
    reader.join()

    assert read == [b"one\n"]


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_open_file_can_be_named_by_its_descriptor(tmp_path: Path, name: str) -> None:
    with (tmp_path / "out").open("wb") as out:
        log = LogFile(Path(name.format(out.fileno())))
        say(log, b"one", b"two")
        log.close()

    assert (tmp_path / "out").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_a_stream_whose_file_was_removed_takes_each_line_once(tmp_path: Path, name: str) -> None:
    with (tmp_path / "out").open("w+b") as out:
        log = LogFile(Path(name.format(out.fileno())))
        say(log, b"one")
        (tmp_path / "out").unlink()
        say(log, b"two")
        log.close()

        assert out.read() == b"one\ntwo\n"


def test_a_filesystem_that_counts_no_links_gets_each_line_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(path)
    fstat = os.fstat

    def without_links(descriptor: int) -> os.stat_result:
        found = list(fstat(descriptor))
        found[stat.ST_NLINK] = 0
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", without_links)
    say(log, b"one", b"two")
    log.close()

    assert path.read_text() == "one\ntwo\n"


def test_a_device_can_be_named(path: Path) -> None:
    log = LogFile(Path("/dev/null"))
    say(log, b"one")
    log.close()
    path.symlink_to("/dev/null")
    log = LogFile(path)
    say(log, b"one")
    log.close()
