"""`--log-file -` and `-f PLAN`.

Covered: the log on stdout (pipe, file, socket) and the text on stderr, `-o json` beside it, a
reader that exits; the plan by `-f`. Left out: logs in files (tests/report/test_logfile.py).
"""

import json
import re
import socket

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import SOON, Tool, end


def events(text: str) -> list[str]:
    """The events of a text that has nothing but lines of a log."""
    return [json.loads(line)["event"] for line in text.splitlines()]


def test_the_log_is_on_stdout_and_all_text_on_stderr(tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("piped"))

    ended = end(tool.fork("apply", file, "--yes", "--log-file", "-"))

    assert ended.code == 0, ended.err
    logged = events(ended.out)
    assert (logged[0], logged[-1]) == ("plan.expanded", "run.finished")
    assert logged.count("target.applied") == 20
    assert "is finished: 20 targets" in ended.err
    assert "Log:      stdout" in ended.err
    assert not list(tool.state.rglob("*.jsonl"))


def test_with_quiet_the_result_alone_is_on_stderr(tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("quiet"))

    ended = end(tool.fork("apply", file, "--yes", "--quiet", "--log-file", "-"))

    assert events(ended.out)[-1] == "run.finished"
    assert re.match(r"Run quiet-\S+ is finished: 20 targets", ended.err)


def test_a_preview_is_on_stderr_beside_the_log(tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("seen"))

    ended = end(tool.fork("plan", "-f", file, "--log-file", "-"))

    assert events(ended.out) == ["plan.expanded"]
    assert "TO PATCH" in ended.err


def test_stdout_may_be_a_file_that_has_lines_already(tool: Tool) -> None:
    file, log = tool.write("plan.yaml", marking("appended")), tool.folder / "nightly.log"
    log.write_text('{"event": "earlier"}\n')

    with log.open("a") as out:
        process = tool.fork("apply", file, "--yes", "--log-file", "-", stdout=out.fileno())
        assert end(process).code == 0

    logged = events(log.read_text())
    assert (logged[0], logged[-1]) == ("earlier", "run.finished")


def test_stdout_may_be_a_socket_as_under_systemd(tool: Tool) -> None:
    file = tool.write("plan.yaml", marking("socketed"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = tool.fork("apply", file, "--yes", "--log-file", "-", stdout=theirs.fileno())
        theirs.close()
        with ours.makefile("r") as reader:
            logged = events(reader.read())
        assert end(process).code == 0

    assert logged[-1] == "run.finished"


def test_json_cannot_be_printed_beside_the_log(call: Caller, server: SandboxServer) -> None:
    sent = server.sent()

    ended = call("apply", "plan.yaml", "--yes", "--log-file", "-", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (2, "usage")
    assert "--log-file - writes the log to stdout" in ended.err
    assert server.sent() == sent


def test_without_a_reader_of_the_log_the_run_is_paused_and_nothing_more_is_sent(
    tool: Tool,
) -> None:
    document = marking("unread", pace={"rate": "1/s", "burst": 1})
    words = ("apply", tool.write("plan.yaml", document), "--yes", "--log-file", "-")
    process = tool.fork(*words)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.wait(SOON) == 1
    status = tool.run("status", "unread", "-o", "json").json
    assert (status["state"], status["causeCode"]) == ("paused", "log-failed")


@pytest.mark.parametrize("words", [("-f",), ("--filename",)])
@pytest.mark.parametrize("verb", ["plan", "apply", "validate"])
def test_a_plan_is_named_by_f_as_for_kubectl(
    call: Caller, tool: Tool, verb: str, words: tuple[str, ...]
) -> None:
    yes = ("--yes",) if verb == "apply" else ()

    ended = call(verb, *words, tool.write("plan.yaml", marking("named")), *yes)

    assert ended.code == 0, ended.err


def test_validate_takes_several_files_by_f(call: Caller, tool: Tool) -> None:
    files = [tool.write(f"{name}.yaml", marking(name)) for name in ("one", "other", "third")]

    ended = call("validate", "-f", files[0], "-f", files[1], files[2])

    assert ended.code == 0
    assert ended.out.count(": valid (") == 3


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_plan_is_not_named_twice(call: Caller, tool: Tool, verb: str) -> None:
    file = tool.write("plan.yaml", marking("twice"))

    ended = call(verb, file, "-f", file)

    assert ended.code == 2
    assert "and -f name the same thing" in ended.err


def test_what_f_names_is_never_a_run(call: Caller, tool: Tool) -> None:
    assert call("plan", tool.write("plan.yaml", marking("a-run"))).code == 0

    ended = call("apply", "-f", "a-run", "--yes")

    assert ended.code == 2
    assert "a-run: no such plan file" in ended.err
