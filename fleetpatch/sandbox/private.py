"""Write files that only their owner may read."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from fleetpatch import files


def write_private(path: Path, content: bytes, is_ours: Callable[[bytes], bool]) -> None:
    """Write a file with mode 0600. Raises as `require_replaceable`, and OSError."""
    require_replaceable(path, is_ours)
    # Removed instead of truncated: a process that has the old file open must not see the secrets.
    path.unlink(missing_ok=True)
    with os.fdopen(files.open_own(path, os.O_WRONLY), "wb") as file:
        file.write(content)


def require_replaceable(path: Path, is_ours: Callable[[bytes], bool]) -> None:
    """Raise OSError unless a path is free, or has an empty file or one of an earlier sandbox.

    It must be a regular file of ours: `/dev/stdout` must not be removed. It is FileExistsError for
    other content: a kubeconfig of real clusters would be lost.
    """
    files.refuse_foreign(path)
    if files.has_other_content(path, is_ours):
        said = "exists already, and is not a file that the sandbox wrote"
        raise FileExistsError(errno.EEXIST, said, str(path))
