"""Files that are written: what is refused, what is made, with which mode.

Covered: links, hard links, pipes, sockets, folders and files of others in the place of ours; modes
under every umask; folders that others may write to.
Left out: what the log (tests/report/test_logfile.py), run files (tests/journal) and the command
line (tests/cli/test_own_files.py) make of it.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from fleetpatch import files
from tests.e2e.disks import mounted


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def refusal(path: Path) -> str:
    with pytest.raises(OSError, match=r".") as caught:
        files.open_own(path, os.O_WRONLY)
    return caught.value.strerror or ""


def put_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def put_dangling_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim.with_name("nowhere"))


def put_looping_link(path: Path, _victim: Path) -> None:
    path.symlink_to(path)


def put_hard_link(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def put_pipe(path: Path, _victim: Path) -> None:
    os.mkfifo(path)


def put_folder(path: Path, _victim: Path) -> None:
    path.mkdir()


def put_socket(path: Path, _victim: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (put_link, "is a symbolic link, which is not followed"),
        (put_dangling_link, "is a symbolic link, which is not followed"),
        (put_looping_link, "is a symbolic link, which is not followed"),
        (put_hard_link, "has 2 names (hard links)"),
        (put_pipe, "is a named pipe"),
        (put_folder, "Is a directory"),
        (put_socket, "is a socket"),
    ],
)
def test_what_is_no_file_of_ours_is_refused_and_left_alone(
    tmp_path: Path, put: Callable[[Path, Path], None], said: str
) -> None:
    victim, path = tmp_path / "victim", tmp_path / "ours"
    victim.write_text("precious")
    put(path, victim)

    assert said in refusal(path)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours"
    path.write_text("a trap")
    os.chown(path, 65534, -1)

    assert "belongs to another user (uid 65534)" in refusal(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_may_write_to_a_file_of_the_owner_of_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "ours"
    path.touch()
    os.chown(tmp_path, 65534, -1)
    os.chown(path, 65534, -1)

    os.close(files.open_own(path, os.O_WRONLY))


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_what_is_made_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "a" / "b" / "c"

    with umask(mask):
        files.make_folder(folder)
        os.close(files.open_own(folder / "file", os.O_WRONLY))

    made = (folder.parent.parent, folder.parent, folder)
    assert {path.stat().st_mode & 0o7777 for path in made} == {0o700}
    assert (folder / "file").stat().st_mode & 0o7777 == 0o600


def test_what_is_there_keeps_its_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    path.chmod(0o640)

    os.close(files.open_own(path, os.O_RDWR))

    assert path.read_text() == "kept"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o770, 0o722, 0o702, 0o720, 0o2777, 0o2707])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(OSError, match=r"others may write to this folder \(mode"):
        files.refuse_shared(folder)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o750, 0o1777, 0o1775, 0o2770, 0o2775, 0o3777])
def test_a_folder_that_is_private_sticky_or_meant_for_a_group_is_fine(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)

    files.refuse_shared(folder)


def test_only_the_start_of_a_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert files.read_start(path, 4) == (b"0123", 10)
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"named pipe|device|directory"):
            files.read_start(odd, 4)


@pytest.mark.parametrize("text", ["x" * 5000, "a\0b", "nowhere", "/dev/null/x"])
def test_a_path_that_no_file_can_have_is_no_file(text: str) -> None:
    assert not files.is_regular(Path(text))
    assert not files.is_folder(Path(text))


def test_what_may_not_be_looked_at_is_not_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.is_absent(tmp_path / "x")
    assert files.is_absent(tmp_path / ("x" * 300))
    assert not files.is_absent(tmp_path)
    # Rights do not bind root.
    monkeypatch.setattr(Path, "stat", Mock(side_effect=PermissionError(errno.EACCES, "denied")))
    assert not files.is_absent(tmp_path / "x")


# Folders for a group


def folder_for_group(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2770)
    return folder


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_what_is_made_in_a_folder_for_a_group_is_for_the_group(tmp_path: Path, mask: int) -> None:
    folder = folder_for_group(tmp_path)

    with umask(mask):
        files.make_folder(folder / "a" / "b")
        os.close(files.open_own(folder / "a" / "file", os.O_WRONLY))
        files.replace_own(folder / "a" / "small", b"content")

    assert (folder / "a" / "b").stat().st_mode & 0o7777 == 0o2770
    assert (folder / "a" / "file").stat().st_mode & 0o7777 == 0o660
    assert (folder / "a" / "small").stat().st_mode & 0o7777 == 0o660


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o2750, 0o2755, 0o1777])
def test_other_folders_stay_private_inside(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    folder.chmod(mode)

    files.make_folder(folder / "a")
    os.close(files.open_own(folder / "a" / "file", os.O_WRONLY))

    assert (folder / "a").stat().st_mode & 0o777 == 0o700
    assert (folder / "a" / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_member_is_accepted_and_one_of_another_group_refused(
    tmp_path: Path,
) -> None:
    folder = folder_for_group(tmp_path)
    path = folder / "file"
    path.touch()
    os.chown(path, 65534, -1)
    os.close(files.open_own(path, os.O_WRONLY))

    os.chown(path, 65534, 65534)
    assert "belongs to another user (uid 65534)" in refusal(path)


def test_a_full_disk_is_an_error_of_the_file_and_leaves_the_content_before(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "20k") as folder:
        path = folder / "report.html"
        files.replace_own(path, b"before")

        with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
            files.replace_own(path, b"x" * 100_000)

        assert [file.read_bytes() for file in folder.iterdir()] == [b"before"]


def test_a_name_that_is_too_long_is_an_error_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / f"{'r' * 240}.html"

    with pytest.raises(OSError, match="too long") as caught:
        files.replace_own(path, b"")

    assert caught.value.filename == str(path)
