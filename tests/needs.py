"""What some tests need of the machine: without it they are skipped, and in CI they fail."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NoReturn

import pytest

_SCRIPTS: Final = Path(__file__).parents[1] / "scripts"
_NOT_FOUND: Final = 3
"""Their exit code where a program is missing and they may not install it."""


def program(name: str) -> str:
    """Return the path of a program."""
    path = shutil.which(name)
    return path or missing(f"{name} was not found on PATH; install it to run this test")


def found_by(script: str) -> str:
    """Return what a program of scripts/ has found, such as the path of a browser."""
    run = subprocess.run([_SCRIPTS / script], capture_output=True, text=True, check=False)
    if run.returncode == _NOT_FOUND:
        missing(run.stderr.strip())
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def missing(why: str) -> NoReturn:
    """End the test, since the machine lacks what it needs."""
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
