"""A search of all that a run leaves behind, for any credentials of an account.

Covered, for each way to log in: runs that end well, credentials that are refused, IAM that is down,
servers that quote what they were sent (a PATCH, a list, the log-in itself), a bug's traceback, a
process that is killed with its record open, the process list; secrets that a person wrote into the
plan. What is looked for: passwords, tokens, those that IAM hands out included, and both halves of
an access key. Where: stdout, stderr, the log, the run file with its -wal.
Left out: the environment of the process and the files that the plan names, which are the user's own
way to hand secrets over; representations and single messages (tests/kube/cci/test_secrets.py).
"""

import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.cli.calling import Caller, Ended
from tests.e2e import logins
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.spies import Spy, spying
from tests.e2e.tool import Tool, end, eventually, plan

Know: TypeAlias = Callable[[Mapping[str, str]], Caller]

SECRETS = ("CCI_TOKEN", "CCI_PASSWORD", "CCI_ACCESS_KEY", "CCI_SECRET_KEY")
TFJOBS = {"kinds": ["tfjobs"], "selector": "app"}
MASKED = re.compile(r"you said \['.*\[redacted\]'\] and")
"""What is shown of a spy's quotations: all of them, so that no secret is missing for length."""
IAM = [way for way in logins.WAYS if way.startswith("iam")]
BUG = """\
from fleetpatch.kube.http.transport import Transport

sent = Transport.send

async def send(self, asking, *words):
    if asking.method == "PATCH":
        raise RuntimeError("a bug that no test covers")
    return await sent(self, asking, *words)

Transport.send = send
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """CCI with 20 TFJobs."""
    tool = Tool(tmp_path_factory.mktemp("cloud"))
    with sandbox(tool, provider="cci", jobs=100) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, cloud: SandboxServer) -> Tool:
    """The command line as a process, which has all credentials of the cloud."""
    return Tool(tmp_path, tmp_path / "kubeconfig", cloud.credentials)


@pytest.fixture
def know(call: Caller, monkeypatch: pytest.MonkeyPatch) -> Know:
    """Put secrets where `call` finds them."""

    def tell(secrets: Mapping[str, str]) -> Caller:
        for name, secret in secrets.items():
            monkeypatch.setenv(name, secret)
        return call

    return tell


def planned(tool: Tool, cloud: SandboxServer, spy: Spy, way: str, **more: Any) -> Path:
    """A plan whose servers are the spy."""
    fleet = logins.cluster(cloud, way, tool.folder)
    fleet["server"] = spy.server
    if "iam" in fleet["auth"]:
        fleet["auth"]["iam"] |= {"endpoint": spy.server, **more.pop("iam", {})}
    patch = {"labels": {"cost": way.replace(" ", "-")}}
    return tool.write("plan.yaml", plan("quiet", TFJOBS, patch=patch, fleet=[fleet], **more))


def found(tool: Tool, secrets: Iterable[str], *ended: Ended) -> list[str]:
    """Return where one of the secrets was printed or written."""
    places = {
        f"{stream} of command {number}": text.encode()
        for number, one in enumerate(ended)
        for stream, text in (("stdout", one.out), ("stderr", one.err))
    }
    places |= {str(path): path.read_bytes() for path in tool.state.rglob("*") if path.is_file()}
    return [
        place
        for place, content in places.items()
        if any(secret.encode() in content for secret in secrets)
    ]


def known(cloud: SandboxServer, *spies: Spy) -> set[str]:
    """Return all credentials of the cloud."""
    tokens = {token for spy in spies for token in spy.tokens}
    return {cloud.credentials[name] for name in SECRETS} | tokens


@pytest.mark.parametrize("way", logins.WAYS)
def test_runs_that_end_well_leave_no_secret(
    cloud: SandboxServer, tool: Tool, know: Know, way: str
) -> None:
    call = know(cloud.credentials)
    with spying(cloud) as spy:
        file = planned(tool, cloud, spy, way)
        ended = [
            call("plan", file),
            call("apply", file, "--yes"),
            call("undo", "quiet", "--yes", "-o", "json"),
            call("targets", "quiet"),
            call("status", "quiet", "-o", "json"),
        ]

    assert [one.code for one in ended] == [0] * 5, [one.err for one in ended]
    assert ended[2].json["outcomes"]["applied"] == 20
    assert {path.suffix for path in tool.state.rglob("*.*")} >= {".run", ".jsonl"}
    assert bool(spy.tokens) is (way != "aksk")
    assert not found(tool, known(cloud, spy), *ended)


@pytest.mark.parametrize("way", logins.WAYS)
def test_a_refused_value_is_not_shown_either(
    cloud: SandboxServer, tool: Tool, know: Know, way: str
) -> None:
    wrong = {name: f"wrong-{value[::-1]}" for name, value in cloud.credentials.items()}
    call = know(wrong)
    with spying(cloud) as spy:
        file = planned(tool, cloud, spy, way)
        for name, secret in (("token", "CCI_TOKEN"), ("pw", "CCI_PASSWORD")):
            (tool.folder / name).write_text(wrong[secret])
        ended = [call("plan", file), call("apply", file, "--yes")]

    assert [one.code for one in ended] == [1, 1]
    assert "cci" in ended[0].err
    secrets = {*known(cloud, spy), *(wrong[name] for name in SECRETS)}
    assert not found(tool, secrets, *ended)


@pytest.mark.parametrize("way", IAM)
def test_an_iam_that_is_down_is_reported_without_the_password(
    cloud: SandboxServer, tool: Tool, know: Know, way: str
) -> None:
    call = know(cloud.credentials)
    with socket.socket() as closed, spying(cloud) as spy:
        closed.bind(("127.0.0.1", 0))
        nowhere = {"endpoint": f"http://127.0.0.1:{closed.getsockname()[1]}"}
        ended = call("apply", planned(tool, cloud, spy, way, iam=nowhere), "--yes")

    assert ended.code == 1
    assert "check `iam.endpoint` and the network" in ended.err
    assert not found(tool, known(cloud), ended)


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("way", logins.WAYS)
def test_a_server_that_quotes_a_patch_and_its_headers_is_not_quoted(
    cloud: SandboxServer, tool: Tool, know: Know, way: str, status: int
) -> None:
    call = know(cloud.credentials)
    with spying(cloud, lambda method, _: method == "PATCH", status) as spy:
        file = planned(tool, cloud, spy, way, retry={"attempts": 2, "maxDelay": "10ms"})
        ended = [call("apply", file, "--yes"), call("targets", "quiet", "-o", "json")]

    # 500s that are no Status exhaust one target after the other, which may end the whole run.
    codes = {401: {7}, 500: {3, 7}}.get(status, {3})
    assert ended[0].code in codes, ended[0].err
    assert spy.echoed
    assert MASKED.search(ended[0].out if status == 401 else ended[1].out)
    assert not found(tool, known(cloud, spy), *ended)


@pytest.mark.parametrize("way", logins.WAYS)
def test_the_answer_of_a_server_that_quotes_a_list_is_masked(
    cloud: SandboxServer, tool: Tool, know: Know, way: str
) -> None:
    call = know(cloud.credentials)
    with spying(cloud, lambda method, path: method == "GET" and path.endswith("jobs"), 403) as spy:
        ended = call("plan", planned(tool, cloud, spy, way))

    assert ended.code == 1
    assert MASKED.search(ended.err)
    assert not found(tool, known(cloud, spy), ended)


@pytest.mark.parametrize("status", [400, 401, 200])
@pytest.mark.parametrize("way", IAM)
def test_the_answer_of_an_iam_that_quotes_the_log_in_is_masked(
    cloud: SandboxServer, tool: Tool, know: Know, way: str, status: int
) -> None:
    call = know(cloud.credentials)
    with spying(cloud, lambda method, _: method == "POST", status) as spy:
        ended = call("plan", planned(tool, cloud, spy, way))

    assert ended.code == 1
    assert spy.echoed
    assert ended.err.count("\n") == 1
    assert not found(tool, known(cloud, spy), ended)


@pytest.mark.parametrize("way", logins.WAYS)
def test_the_traceback_of_a_bug_shows_no_secret(cloud: SandboxServer, tool: Tool, way: str) -> None:
    # Python runs a module of this name before anything else.
    tool.write("sitecustomize.py", BUG)
    path = f"{tool.folder}{os.pathsep}{tool.environment['PYTHONPATH']}"
    tool = replace(tool, variables={**tool.variables, "PYTHONPATH": path})
    with spying(cloud) as spy:
        ended = end(tool.start("apply", planned(tool, cloud, spy, way), "--yes"))

    assert ended.code == 1
    assert "RuntimeError: a bug that no test covers" in ended.err
    assert not found(tool, known(cloud, spy), ended)


@pytest.mark.parametrize("way", logins.WAYS)
def test_a_process_shows_no_secret_while_it_runs_and_leaves_none_when_killed(
    cloud: SandboxServer, tool: Tool, way: str
) -> None:
    with spying(cloud) as spy:
        pace = {"rate": "6/m", "burst": 1}
        before = cloud.sent()
        process = tool.start("apply", planned(tool, cloud, spy, way, pace=pace), "--yes")
        try:
            eventually(lambda: cloud.sent() > before, "a patch")
            shown = b"".join(map(_command_line, _family(process.pid)))
        finally:
            process.kill()
            ended = end(process)

    assert b"fleetpatch" in shown
    assert not any(secret.encode() in shown for secret in known(cloud, spy))
    assert list(tool.state.rglob("*.run-wal"))
    assert not found(tool, known(cloud, spy), ended)


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


WRITTEN: list[dict[str, Any]] = [
    {"token": "S3cret-of-mine"},
    {"token": {"env": "CCI_TOKEN", "value": "S3cret-of-mine"}},
    {"token": {"env": "S3cret-of-mine"}},
    {"token": {"S3cret-of-mine": None}},
    {"iam": {"password": "S3cret-of-mine"}},
    {"iam": {"endpoint": "https://user:S3cret-of-mine@iam.example.com"}},
    {"aksk": {"accessKey": "S3cret-of-mine", "secretKey": "S3cret-of-mine"}},
    {"aksk": {"accessKeyEnv": "S3cret-of-mine"}},
    {"password": "S3cret-of-mine"},
]


@pytest.mark.parametrize("auth", WRITTEN)
def test_a_secret_in_the_plan_is_refused_with_the_way_out_and_not_repeated(
    cloud: SandboxServer, tool: Tool, call: Caller, auth: dict[str, Any]
) -> None:
    fleet = logins.cluster(cloud, "token env", tool.folder) | {"auth": auth}
    patch = {"labels": {"a": "b"}}
    file = tool.write("plan.yaml", plan("written", TFJOBS, patch=patch, fleet=[fleet]))

    ended = call("apply", file, "--yes")

    assert ended.code == 2
    assert all(line.startswith(f"{file}:") for line in ended.err.splitlines()), ended.err
    assert not found(tool, ["S3cret-of-mine"], ended)
