"""A sandbox for all tests of the command line, and for each a folder with its own state."""

import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

import fleetpatch
from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

ETL = {"kinds": ["jobs.batch"], "selector": "app=etl"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """A sandbox of 200 jobs, 40 of them batch Jobs."""
    folder: Path = tmp_path_factory.mktemp("server")
    with sandbox(Tool(folder), jobs=200) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    """The command line as a process, for the sandbox."""
    return Tool(tmp_path, server.kubeconfig)


@pytest.fixture
def own(tool: Tool) -> Tool:
    """The same folder with a kubeconfig of its own, for a sandbox that a test may change."""
    return Tool(tool.folder, tool.folder / "own.kubeconfig")


@pytest.fixture
def call(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """The command line within this process, in the same folder."""
    return tool.caller(monkeypatch)


def paint(name: str = "paint", **more: Any) -> dict[str, Any]:
    """Return a plan that sets a label on some of the jobs."""
    return plan(name, ETL, patch={"labels": {"colour": "red"}}, **more)


def pause(run_file: Path) -> None:
    """Make a previewed run one that was started, and paused before anything was sent."""
    connection = sqlite3.connect(run_file)
    with connection:
        connection.execute("UPDATE meta SET value = 'paused' WHERE key = 'state'")
    connection.close()


def marking(name: str, **more: Any) -> dict[str, Any]:
    """Return a plan that sets a label of its own, so that no other test finds it set."""
    return plan(name, ETL, patch={"labels": {name: "yes"}}, **more)


@contextmanager
def as_user(user: int, group: int = -1) -> Iterator[None]:
    """Run the block of a test of root's as another user; with `group` as a member of that only."""
    # As root: the modules that a verb imports may lie where the user cannot read.
    for module in walk_packages(fleetpatch.__path__, "fleetpatch."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    groups = os.getgroups()
    try:
        if group >= 0:
            os.setgroups([group])
            os.setegid(user)
        os.seteuid(user)
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextmanager
def as_anybody(folder: Path) -> Iterator[None]:
    """Run the block as a user that is subject to permissions, who owns `folder`.

    root becomes the user `nobody`.
    """
    if os.geteuid() != 0:
        yield
        return
    nobody = pwd.getpwnam("nobody").pw_uid
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody, -1)
    closed = {path: path.stat().st_mode for path in folder.parents if not path.stat().st_mode & 1}
    try:
        for path, mode in closed.items():
            path.chmod(mode | 0o011)
        with as_user(nobody):
            yield
    finally:
        for path, mode in closed.items():
            path.chmod(mode)
