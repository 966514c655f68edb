"""The option `--dry-run` and its values.

A module of its own, without imports that take time: the parser needs it for every command line.
"""

from enum import StrEnum
from typing import Final

DRY_RUN: Final = "--dry-run"


class DryRun(StrEnum):
    """How much of a rehearsal is done; the values are those of kubectl."""

    NONE = "none"
    SERVER = "server"
    """The servers check each patch and store nothing."""
    CLIENT = "client"
    """The objects are listed, and no patch is sent."""
