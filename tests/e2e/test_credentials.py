"""Credentials that expire during a run, with real servers.

Covered: a token file that is written again, a credential plugin that is called again (and how
often, with many workers), credentials that stay refused, and a run that is resumed with fresh ones;
no token in what is printed, logged or recorded. Left out: how renewals are shared (tests/kube);
client certificates.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.sandbox.apiserver.access import ADMIN
from fleetpatch.sandbox.server import SandboxOptions
from tests.cli.calling import Ended
from tests.e2e.computed_fleet import Trigger
from tests.e2e.spies import spying
from tests.e2e.tool import Tool, plan
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig, plugin, runs
from tests.sandbox.serving import SandboxThread

JOBS = 400
WORKERS = 32


class Rotating:
    """A server whose administrator's token changes, and a file that holds the token.

    It is reached at `server`, where `trigger` sees the PATCHes arrive.
    """

    def __init__(self, running: SandboxThread, server: str, trigger: Trigger, folder: Path) -> None:
        self._sandbox = running.sandbox
        self.server, self.trigger = server, trigger
        self.file = folder / "token"
        self.tokens: list[str] = []
        self.rotate()

    @property
    def statuses(self) -> dict[int, int]:
        return dict(self._sandbox.counters.statuses)

    @property
    def patches(self) -> dict[str, int]:
        return dict(self._sandbox.counters.patches)

    def rotate(self) -> None:
        """Hand out another token, and accept no other than that."""
        self.tokens.append(f"tok-{secrets.token_hex(16)}")
        # It is there before it is needed, as a kubelet or a credential plugin has it.
        self.file.write_text(self.tokens[-1])
        self._sandbox.change_token(ADMIN, self.tokens[-1])

    def expire(self) -> None:
        """Accept the token no more that was handed out."""
        self._sandbox.change_token(ADMIN, secrets.token_hex(16))


@pytest.fixture
def rotating(tmp_path: Path) -> Iterator[Rotating]:
    options = SandboxOptions(jobs=5 * JOBS, namespaces=4, anonymous=False)
    trigger = Trigger()
    with (
        SandboxThread(options) as running,
        spying(running.sandbox.ready, trigger.arrives) as spy,
    ):
        yield Rotating(running, spy.server, trigger, tmp_path)


def users(rotating: Rotating, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the ways to pass a token to the tool."""
    output = f"credential(token=pathlib.Path({str(rotating.file)!r}).read_text())"
    return {
        "token file": {"tokenFile": str(rotating.file)},
        "plugin": plugin(folder, output),
        "token": {"token": rotating.tokens[-1]},
    }


def applied(tool: Tool, rotating: Rotating, way: str, workers: int = WORKERS) -> Ended:
    """Carry out a run with many workers."""
    user = users(rotating, tool.folder)[way]
    kubeconfig(tool.folder / "kubeconfig", the_cluster=cluster(rotating.server), user=user)
    document = plan(
        "rotate",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"cost": "new"}},
        pace={"rate": "400/s", "burst": 10, "concurrency": workers},
    )
    return tool.run("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")


def artefacts(tool: Tool, *ended: Ended) -> bytes:
    """Return all that the tool printed, logged and recorded."""
    files = [path for path in tool.state.rglob("*") if path.is_file()]
    assert {".run", ".jsonl"} <= {path.suffix for path in files}
    printed = "".join(one.out + one.err for one in ended)
    return printed.encode() + b"".join(path.read_bytes() for path in files)


def test_a_token_file_that_is_written_again_is_read_again(tool: Tool, rotating: Rotating) -> None:
    rotating.trigger.at(20, rotating.rotate)

    ended = applied(tool, rotating, "token file")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == JOBS
    assert 1 <= rotating.statuses[401] <= WORKERS + 1, "each worker's request is refused once"
    assert not any(token.encode() in artefacts(tool, ended) for token in rotating.tokens)


def test_a_plugin_is_called_once_for_all_workers(tool: Tool, rotating: Rotating) -> None:
    before: list[int] = []
    rotating.trigger.at(20, lambda: before.append(runs(tool.folder)))
    rotating.trigger.at(21, rotating.rotate)

    ended = applied(tool, rotating, "plugin")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == JOBS
    assert [runs(tool.folder)] == [called + 1 for called in before]
    assert rotating.statuses[401] >= 1
    assert not any(token.encode() in artefacts(tool, ended) for token in rotating.tokens)


@pytest.mark.parametrize("way", ["token file", "plugin", "token"])
def test_refused_credentials_pause_the_run_which_resumes_with_fresh_ones(
    tool: Tool, rotating: Rotating, way: str
) -> None:
    called: list[int] = []
    if way == "plugin":
        rotating.trigger.at(20, lambda: called.append(runs(tool.folder)))
    rotating.trigger.at(21, rotating.expire)

    ended = applied(tool, rotating, way)

    assert (ended.code, ended.json["causeCode"]) == (7, "credentials-refused"), ended.err
    assert "does not accept our credentials: 401 Unauthorized" in ended.json["cause"]
    counts = ended.json["outcomes"]
    assert (counts["failed"], counts["skipped"]) == (0, 0)
    assert counts["pending"] == JOBS - counts["applied"] > 0
    # Each worker tries once more; the first one that is refused again stops them all.
    assert rotating.statuses[401] <= 2 * WORKERS
    if way == "plugin":
        assert [runs(tool.folder)] == [before + 1 for before in called]

    rotating.rotate()
    user = users(rotating, tool.folder)[way]
    kubeconfig(tool.folder / "kubeconfig", the_cluster=cluster(rotating.server), user=user)
    again = tool.run("resume", "rotate", "--yes", "-o", "json")

    assert again.code == 0, again.err
    assert again.json["outcomes"]["applied"] == JOBS
    assert len(rotating.patches) == JOBS
    found = artefacts(tool, ended, again)
    assert not any(token.encode() in found for token in rotating.tokens)


def test_a_token_that_expires_again_and_again_is_renewed_as_often(
    tool: Tool, rotating: Rotating
) -> None:
    rotating.trigger.at(20, rotating.rotate)
    rotating.trigger.at(150, rotating.rotate)

    # One worker: a second one could be on its way with the second token when the third one comes.
    ended = applied(tool, rotating, "token file", workers=1)

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == JOBS
