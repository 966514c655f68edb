"""What some tests need of the machine: without it they are skipped, and in CI they fail."""

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str) -> str:
    """Return the path of a program."""
    path = shutil.which(name)
    return path or missing(f"{name} was not found on PATH; install it to run this test")


def missing(why: str) -> NoReturn:
    """End the test, since the machine lacks what it needs."""
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
