"""Write files that only their owner may read."""

import os
from pathlib import Path

from fleetpatch import files


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, replacing an old one. Raises OSError.

    The old one must be a regular file of ours: `/dev/stdout` must not be removed.
    """
    files.refuse_foreign(path)
    # Removed instead of truncated: a process that has the old file open must not see the secrets.
    path.unlink(missing_ok=True)
    with os.fdopen(files.open_own(path, os.O_WRONLY), "wb") as file:
        file.write(content)
