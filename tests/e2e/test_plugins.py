"""The tool with a kubeconfig that needs more than a token: plugins, and messages.

Covered: a prompt that is seen, signals while a plugin waits, plugins that want the cluster, a
plugin that fails during a run, warnings, refusals. Left out: the protocol (tests/kube), renewals
that work (test_credentials).
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.sandbox.apiserver.access import ADMIN
from fleetpatch.sandbox.server import SandboxOptions
from tests.e2e.tool import SOON, Tool, end, eventually, plan
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig
from tests.sandbox.serving import SandboxThread

TOKEN = "tok-0123456789abcdef0123456789abcdef"
LABEL = ("label", "jobs.batch", "-A", "-l", "app", "cost=new", "--all", "--yes")
ANSWER = (
    '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
    f' "status": {{"token": "{TOKEN}"}}}}'
)
FOREVER = "while :; do sleep 0.1; done"


@pytest.fixture
def server() -> Iterator[SandboxThread]:
    with SandboxThread(SandboxOptions(jobs=20, namespaces=2, anonymous=False)) as running:
        running.sandbox.change_token(ADMIN, TOKEN)
        yield running


def user(tool: Tool, script: str, **of_exec: Any) -> dict[str, Any]:
    """A user whose plugin is a shell script in the tool's folder."""
    file = tool.folder / "plugin"
    file.write_text(f"#!/bin/sh\ncd {tool.folder}\n{script}\n")
    file.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": "./plugin", **of_exec}}


def configure(tool: Tool, server: SandboxThread, user: dict[str, Any], **of_cluster: Any) -> None:
    the_cluster = cluster(server.sandbox.ready.server, **of_cluster)
    kubeconfig(tool.folder / "kubeconfig", the_cluster=the_cluster, user=user)


def patches(server: SandboxThread) -> int:
    return sum(server.sandbox.counters.patches.values())


def is_alive(file: Path) -> bool:
    try:
        os.kill(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_a_prompt_is_seen_before_the_plugin_ends(tool: Tool, server: SandboxThread) -> None:
    waiting = "echo 'enter the code ABCD' >&2; while [ ! -e entered ]; do sleep 0.05; done"
    configure(tool, server, user(tool, f"{waiting}; echo '{ANSWER}'"))

    process = tool.fork(*LABEL)
    assert process.stderr is not None
    assert process.stderr.readline() == "enter the code ABCD\n"
    (tool.folder / "entered").touch()
    ended = end(process)

    assert ended.code == 0, ended.err
    assert patches(server) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["planning", "carrying out"])
def test_a_plugin_ends_with_the_tool(
    tool: Tool, server: SandboxThread, number: signal.Signals, moment: str
) -> None:
    words: tuple[object, ...] = LABEL
    if moment == "carrying out":
        configure(tool, server, {"token": TOKEN})
        document = plan(
            "it", {"kinds": ["jobs.batch"], "selector": "app"}, patch={"labels": {"a": "b"}}
        )
        planned = tool.run("plan", tool.write("plan.yaml", document), "--run-file", "it.run")
        assert planned.code == 0, planned.err
        words = ("apply", "it.run", "--yes")
    child = f"sh -c 'echo $$ >child; {FOREVER}' &"
    script = f"trap '' INT HUP\n{child}\necho $$ >plugin.pid\necho started >&2\n{FOREVER}"
    configure(tool, server, user(tool, script))
    process = tool.fork(*words)
    written = [tool.folder / "plugin.pid", tool.folder / "child"]
    eventually(lambda: all(file.exists() and file.read_text() for file in written), "it runs")
    # Our process reads it only after it has sent the plugin's group to the watchdog.
    assert process.stderr is not None
    assert "started\n" in process.stderr

    process.send_signal(number)
    ended = end(process, timeout=SOON)

    assert ended.code != 0
    assert "Traceback" not in ended.err
    eventually(lambda: not any(map(is_alive, written)), "the plugin is gone")
    assert patches(server) == 0


def test_a_plugin_that_wants_the_cluster_gets_it(tool: Tool, server: SandboxThread) -> None:
    script = f"""\
case "$KUBERNETES_EXEC_INFO" in *'"server"'*) ;; *) echo "no cluster given" >&2; exit 1;; esac
echo '{ANSWER}'"""

    configure(tool, server, user(tool, script, provideClusterInfo=True))
    assert tool.run(*LABEL).code == 0
    configure(tool, server, user(tool, script))
    ended = tool.run(*LABEL)

    assert ended.code == 1
    assert "failed (exit code 1: no cluster given)" in ended.err


def test_a_flood_on_stderr_is_passed_on(tool: Tool, server: SandboxThread) -> None:
    flood = "head -c 400000 /dev/zero | tr '\\0' x >&2"
    configure(tool, server, user(tool, f"{flood}; echo '{ANSWER}'"))

    ended = end(tool.fork(*LABEL))

    assert ended.code == 0, ended.err[-500:]
    assert ended.err.count("x" * 400_000) >= 1


def test_the_output_of_a_failing_plugin_is_in_no_file_of_ours(
    tool: Tool, server: SandboxThread
) -> None:
    secret = "sk-9876543210fedcba9876543210fedcba"
    script = f"[ -e failing ] && {{ echo 'refused: {secret}' >&2; exit 1; }}; echo '{ANSWER}'"
    configure(tool, server, user(tool, script))
    document = plan(
        "it",
        {"kinds": ["jobs.batch"], "selector": "app"},
        patch={"labels": {"a": "b"}},
        pace={"rate": "1/h", "burst": 1},
    )
    process = tool.fork("apply", tool.write("plan.yaml", document), "--yes", "-o", "json")
    eventually(lambda: patches(server) > 0, "a patch")
    (tool.folder / "failing").touch()
    server.sandbox.change_token(ADMIN, "another")
    assert tool.run("pace", "it", "--rate", "1000/s").code == 0
    ended = end(process)

    assert ended.code == 7, ended.err
    assert f"refused: {secret}" in ended.err, "the person sees it as the plugin wrote it"
    assert secret not in ended.out
    files = [path for path in tool.state.rglob("*") if path.is_file()]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)


def test_a_key_that_is_not_known_is_reported_once_on_stderr_and_in_the_log(
    tool: Tool, server: SandboxThread
) -> None:
    configure(tool, server, {"token": TOKEN, "session": "x"}, region="eu")

    ended = tool.run(*LABEL, "-o", "json")

    assert ended.code == 0, ended.err
    for key in ("session", "region"):
        assert ended.err.count(f"`{key}` in its") == 1
    events = [e for e in tool.log(ended.json["runFile"]) if e["event"] == "kubeconfig.warning"]
    assert [event["level"] for event in events] == ["warning", "warning"]
    assert "`region` in its cluster is not known" in events[0]["detail"]


@pytest.mark.parametrize(
    ("of_user", "of_cluster", "message"),
    [
        ({"as-groups": ["system:masters"]}, {}, "`as-groups` needs `as`"),
        ({"tokenfile": "x"}, {}, "write `tokenFile`"),
        ({"auth-provider": {"name": "gcp"}}, {}, "use the exec plugin gke-gcloud-auth-plugin"),
        ({"username": "u"}, {}, "a token and a username"),
        ({}, {"tls_servername": "x"}, "write `tls-server-name`"),
    ],
)
def test_a_kubeconfig_of_doubtful_identity_is_refused_before_anything_is_sent(
    tool: Tool,
    server: SandboxThread,
    of_user: dict[str, Any],
    of_cluster: dict[str, Any],
    message: str,
) -> None:
    configure(tool, server, {"token": TOKEN, **of_user}, **of_cluster)

    ended = tool.run(*LABEL)

    assert (ended.code, ended.out) == (1, "")
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not server.sandbox.counters.statuses
