"""Reads the bytes of kubeconfigs, which may come from a pipe: `KUBECONFIG=<(decrypt config)`.

A command reads its kubeconfig several times, and a pipe can be read once. So what is not a regular
file is read once in a process, and its content is kept.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from fleetpatch.files import expand_home

DEFAULT: Final = "~/.kube/config"
"""The file that is read if $KUBECONFIG is not set."""

SIZE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes; a larger file, such as /dev/zero, is not a kubeconfig."""


def read_bytes(file: Path) -> bytes:
    """Return the content of a file, at most one byte more than SIZE_LIMIT. Raises OSError."""
    found = file.stat()
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        return _read(file)
    return _read_once(file, found.st_dev, found.st_ino)


def read_pipes(environ: Mapping[str, str]) -> None:
    """Read the kubeconfigs that are not regular files; errors are left to `read_bytes`.

    For a caller that a signal interrupts: opening a pipe blocks until it has a writer, and an event
    loop is not interrupted by that.
    """
    names = environ.get("KUBECONFIG") or DEFAULT
    for file in map(expand_home, filter(None, names.split(os.pathsep))):
        with suppress(OSError, ValueError):
            if not stat.S_ISREG(file.stat().st_mode):
                read_bytes(file)


@lru_cache(maxsize=8)
def _read_once(file: Path, _device: int, _inode: int) -> bytes:
    """Read a pipe or a device; the numbers tell it from another one at the same path."""
    return _read(file)


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        # One byte more than the limit, so a larger file is noticed early.
        return stream.read(SIZE_LIMIT + 1)
