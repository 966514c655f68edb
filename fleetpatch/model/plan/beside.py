"""Reads the files that a plan names: its tables, and lists of objects."""

import hashlib
import os
from pathlib import Path

import msgspec

from fleetpatch import files
from fleetpatch.model.plan.field_types import is_digest


class FileBeside(msgspec.Struct, frozen=True):
    """A file that a plan names: its path as messages show it, and its bytes."""

    shown: str
    content: bytes

    def __repr__(self) -> str:
        return f"FileBeside({self.shown!r}, {len(self.content)} bytes)"

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits over the bytes."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


class Folder(msgspec.Struct, frozen=True):
    """The folder of a plan file: `path` is absolute, or empty for the working directory.

    `plan` is the plan file as people named it, so that messages name files in the same way.
    """

    path: str
    plan: str

    def read(self, file: str, largest: int) -> FileBeside | str:
        """Read a file of at most `largest` bytes, or return what is wrong with it."""
        path = Path(os.path.join(self.path, file))  # noqa: PTH118 # an absolute path stays as it is
        shown = os.path.join(os.path.dirname(self.plan), file)  # noqa: PTH118, PTH120 # keeps ./
        place = f"{shown} (paths are relative to the plan file)" if shown != file else shown
        try:
            # A pipe would be waited for, and is empty when the plan is read again.
            if path.exists() and not files.is_regular(path):
                return f"{place} is not a regular file; name a file"
            if path.exists() and path.stat().st_size > largest:
                return f"{place} has more than {largest} bytes; split it"
            return FileBeside(shown, path.read_bytes())
        except FileNotFoundError:
            return f"there is no file {place}; correct the path"
        except (OSError, ValueError) as error:  # ValueError: the path contains a NUL
            return f"{place} cannot be read: {getattr(error, 'strerror', None) or error}"


def problem_of_digest(pinned: object, beside: FileBeside) -> str:
    """Return why the file is not the one that the plan's digest is of, or ''; None allows any."""
    # Another type or text is reported by its section.
    if not is_digest(pinned) or pinned == beside.digest:
        return ""
    return (
        f"{beside.shown} has the digest {beside.digest}: its content has changed; correct the"
        " digest, or remove it"
    )
