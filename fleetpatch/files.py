"""Files and folders that fleetpatch writes: checked before anything is written or truncated.

Another user who may write to a folder can put a link, a pipe or a file of their own at the path of
ours. So our files are opened without following links, and each must be a regular file with one name
(no hard link) that belongs to us, to root or to the owner of its folder, who could replace it
anyway. Folders are created with mode 0700 and files with 0600, whatever the umask is.

A folder that is made for a group (setgid, and writable by the group) has files and folders for its
group: 0660 and 2770. There a file may also belong to another member of the group.

A function that refuses raises OSError, whose `strerror` says what is wrong and what to do.
"""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

# O_NONBLOCK: opening a pipe must not block. O_NOCTTY: a terminal must not become ours.
_SAFELY: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_GROUP_FILE: Final = 0o660
_GROUP_FOLDER: Final = 0o2770

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_START: Final = 64 * 1024
"""Bytes that tell what a file is."""

_KINDS: Final = (
    (stat.S_ISDIR, "Is a directory"),
    (stat.S_ISLNK, "is a symbolic link, which is not followed; name the file itself"),
    (stat.S_ISFIFO, "is a named pipe, not a regular file; remove it or name another file"),
    (stat.S_ISSOCK, "is a socket, not a regular file; remove it or name another file"),
    (stat.S_ISCHR, "is a device, not a regular file; remove it or name another file"),
    (stat.S_ISBLK, "is a device, not a regular file; remove it or name another file"),
)


def open_own(path: Path, flags: int) -> int:
    """Open one of our files to write it; it is created with `mode_of_new` if it is missing.

    `flags` are those of `os.open`, without O_CREAT and O_TRUNC. Returns the descriptor.
    """
    mode = mode_of_new(path)
    try:
        descriptor = os.open(path, flags | _SAFELY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        # Checked by name first, since opening a device may already have an effect.
        refuse_foreign(path)
        descriptor = os.open(path, flags | _SAFELY)
    else:
        os.fchmod(descriptor, mode)
    try:
        # Checked again as opened: the name may have been replaced between the two calls.
        _check(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def replace_own(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a small file of ours as a whole: a reader sees the content before or the new one.

    `mode` None is that of other files of ours.
    """
    refuse_foreign(path)
    # A hidden name, which no listing of the folder takes for a file of a run.
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(open_own(draft, os.O_WRONLY), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
        draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            # An error of a write names no file, and others name the draft.
            error.filename, error.filename2 = str(path), None
        raise


def read_own(path: Path, largest: int) -> bytes:
    """Read one of our files of at most `largest` bytes; links are not followed."""
    refuse_foreign(path)
    descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        _check(path, found)
        if found.st_size > largest:
            raise OSError(errno.EFBIG, f"is larger than {largest} bytes", str(path))
        return file.read(largest)


def refuse_foreign(path: Path) -> None:
    """Raise OSError where a path exists and is not a regular file of ours."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    _check(path, found)


def expand_home(name: str) -> Path:
    """Replace a leading `~` by the home folder, if there is one."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def is_stdout(path: Path | None) -> bool:
    """Return whether `path` is `-`, which means stdout, as for other tools."""
    return path == Path("-")


def is_regular(path: Path) -> bool:
    """Whether a path leads to a regular file; False for a path that no file can have."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder; False for a path that no folder can have."""
    return stat.S_ISDIR(_mode(path))


def is_absent(path: Path) -> bool:
    """Whether there is nothing at a path; False where rights or an error hide what there is."""
    try:
        path.stat()
    except ValueError:
        return True
    except OSError as error:
        return error.errno in _ABSENT
    return False


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def read_start(path: Path, size: int) -> tuple[bytes, int]:
    """Read the first `size` bytes of a regular file, and its length; links are followed.

    Other kinds are not opened: a pipe could block, and opening a device can have effects.
    """
    _refuse_irregular(path, path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        _refuse_irregular(path, found)
        return file.read(size), found.st_size


def has_other_content(path: Path, is_ours: Callable[[bytes], bool]) -> bool:
    """Whether a path leads to a regular file that is not empty, and whose start is not ours.

    `is_ours` gets the first 64 KiB. Raises OSError for a file that cannot be read.
    """
    if not is_regular(path):
        return False
    start, _ = read_start(path, _START)
    return bool(start) and not is_ours(start)


def mode_of_new(path: Path) -> int:
    """Return the mode of a new file: 0660 in a folder that is made for a group, else 0600."""
    return _GROUP_FILE if is_for_group(path.parent) else _PRIVATE_FILE


def is_for_group(folder: Path) -> bool:
    """Whether a folder is made for a group: it is setgid, and the group may write to it."""
    wanted = stat.S_ISGID | stat.S_IWGRP
    return _mode(folder) & wanted == wanted


def make_folder(folder: Path, *, shared: bool = False) -> None:
    """Create a folder and its missing parents, each with mode 0700.

    With `shared`, or in a folder that is made for a group, it is made for the group as well.
    Raises NotADirectoryError where something else is at the path of one of them.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    mode = _GROUP_FOLDER if shared or is_for_group(folder.parent) else _PRIVATE_FOLDER
    try:
        folder.mkdir(mode)
    except FileExistsError:
        if not folder.is_dir():
            what = os.strerror(errno.ENOTDIR)
            raise NotADirectoryError(errno.ENOTDIR, what, str(folder)) from None
    else:
        folder.chmod(mode)  # a umask may have taken the owner's rights, too


def refuse_shared(folder: Path) -> None:
    """Refuse a folder in which others may replace files.

    It must belong to us or to root, and only its owner may write to it. Exceptions are sticky
    folders, where users cannot replace files of others, and folders for a group (setgid).
    """
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    sticky, for_group = bool(mode & stat.S_ISVTX), bool(mode & stat.S_ISGID)
    writable_by_others = mode & stat.S_IWOTH and not sticky
    writable_by_group = mode & stat.S_IWGRP and not (sticky or for_group)
    if writable_by_others or writable_by_group:
        raise OSError(
            errno.EPERM,
            f"others may write to this folder (mode {mode:04o}); take that right away"
            f" (chmod go-w {folder}), or name another with --state-dir",
            str(folder),
        )
    us = os.geteuid()
    if us not in (0, found.st_uid) and found.st_uid != 0 and not for_group:
        raise OSError(
            errno.EPERM,
            f"this folder belongs to another user (uid {found.st_uid}); name another with"
            " --state-dir",
            str(folder),
        )


def _check(path: Path, found: os.stat_result) -> None:
    _refuse_irregular(path, found)
    if found.st_nlink > 1:
        raise OSError(
            errno.EMLINK,
            f"has {found.st_nlink} names (hard links), and all of them would be written; copy it,"
            " or name another file",
            str(path),
        )
    folder = path.parent.stat()
    trusted = (os.geteuid(), 0, folder.st_uid)
    of_group = is_for_group(path.parent) and found.st_gid == folder.st_gid
    if found.st_uid not in trusted and not of_group:
        raise OSError(
            errno.EPERM,
            f"belongs to another user (uid {found.st_uid}); name another file",
            str(path),
        )


def _refuse_irregular(path: Path, found: os.stat_result) -> None:
    for is_kind, said in _KINDS:
        if is_kind(found.st_mode):
            raise OSError(errno.EINVAL, said, str(path))
