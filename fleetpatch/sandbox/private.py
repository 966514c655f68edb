"""Files that their owner alone may read."""

import os
from pathlib import Path

from fleetpatch import files


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, in the place of what is there. Raises OSError.

    What is replaced must be a file of ours: `/dev/stdout` is not to be removed.
    """
    files.refuse_foreign(path)
    path.unlink(missing_ok=True)
    with os.fdopen(files.open_own(path, os.O_WRONLY), "wb") as file:
        file.write(content)
