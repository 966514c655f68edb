"""Looks up the program of a wave's check when the plan is checked, and not after its first wave."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.tree import mapping_at

_CHECK: Final = ("waves", "check")


def program_path(program: str, folder: str) -> str:
    """Return the path of a program; a relative path with a slash is relative to `folder`.

    A name without a slash is returned as it is: it is looked up in PATH, as by a shell. An empty
    `folder` is the working directory.
    """
    return os.path.join(folder, program) if "/" in program else program  # noqa: PTH118 # keeps ./


def problem_of_program(program: str, folder: str) -> str:
    """Return why `program` cannot be run, in words that follow its name; '' if it can."""
    path = program_path(program, folder)
    if shutil.which(path) is not None:
        return ""
    if "/" not in program:
        return "is not a program in PATH; install it, or write its path"
    place = f"{path} (paths are relative to the plan file)" if path != program else path
    if not Path(path).exists():
        return f"does not exist at {place}; correct the path"
    return f"is not an executable file at {place}; allow its execution with chmod +x"


def check_program(tree: Json, folder: str) -> Iterator[Finding]:
    """Find a command of `waves.check` that cannot be run from a plan file in `folder`."""
    command = mapping_at(tree, _CHECK).get("command")
    # Another type, or an empty list, is reported by its section.
    match command:
        case [str(program), *_] if problem := problem_of_program(program, folder):
            yield Finding((*_CHECK, "command", 0), problem)
