"""Streams: results on stdout, all else on stderr, questions only to a terminal.

Covered: JSON answers, silence towards files and pipes, readers that exit early, the confirmation
on a real (pseudo) terminal with every kind of answer, colours and progress there, tokens in
everything that is written.
Left out: the texts themselves (tests/report).
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.calling import Caller, Ended
from tests.cli.conftest import paint
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import SOON, Tool, end, eventually

XTERM = {"TERM": "xterm"}


@pytest.fixture(autouse=True)
def good_plan(tool: Tool) -> None:
    tool.write("plan.yaml", paint())


def test_answers_for_programs_are_one_json_value_alone_on_stdout(call: Caller) -> None:
    for words in (
        ("plan", "plan.yaml", "-o", "json"),
        ("status", "-o", "json"),
        ("status", "paint", "-o", "json"),
        ("schema",),
    ):
        ended = call(*words)
        assert (ended.code, ended.err) == (0, ""), words
        json.loads(ended.out)
    lines = call("targets", "paint", "-o", "jsonl").out.splitlines()
    assert len(lines) == call("plan", "plan.yaml", "-o", "json").json["targets"]
    assert all(json.loads(line)["outcome"] == "pending" for line in lines)


def test_without_runs_there_is_an_empty_list_and_a_sentence(call: Caller) -> None:
    assert call("status", "-o", "json").json == []
    assert call("status").out.startswith("There are no runs in ")


def test_output_to_files_and_pipes_has_no_progress_and_no_colour(own: Tool) -> None:
    with sandbox(own, jobs=50):
        ended = own.run("apply", "plan.yaml", "--yes")

    assert (ended.code, ended.notes) == (0, "")
    assert "\x1b" not in ended.out + ended.err
    assert ended.out.startswith("Run paint-")


def test_a_reader_of_only_the_first_line_gets_it_without_an_error(own: Tool) -> None:
    with sandbox(own, jobs=5000):
        own.run("plan", "plan.yaml")
        listing = own.start("targets", "paint")
        assert listing.stdout is not None
        assert listing.stdout.readline().startswith("RUN ")
        listing.stdout.close()
        with listing:
            assert listing.stderr is not None
            assert listing.stderr.read() == ""
        assert listing.returncode == 0


@pytest.mark.parametrize(
    ("line", "code"),
    [
        *((f"targets paint -o {one}", 0) for one in ("text", "json", "jsonl", "csv", "name")),
        ("plan plan.yaml --exit-code", 8),
        ("plan plan.yaml --exit-code -o json", 8),
        ("status", 0),
        ("runs", 0),
        ("report paint", 0),
        ("schema", 0),
        ("kinds", 0),
        ("--help", 0),
        ("--version", 0),
        ("--show-completion bash", 0),
    ],
)
def test_the_exit_code_does_not_depend_on_the_reader_of_the_result(
    tool: Tool, line: str, code: int
) -> None:
    assert tool.run("plan", "plan.yaml").code == 0
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "wb"):
        ended = end(tool.fork(*line.split(), stdout=writer))

        assert ended.code == code
        assert "fleetpatch: " not in ended.err


ENDLESS = """
import itertools, sys
from fleetpatch.cli import streams

streams.replace_standard()
sys.stdout.writelines(map(str, itertools.count()))
sys.exit(7 if streams.reader_has_exited() else 8)
"""


def test_a_list_ends_when_its_reader_has_exited() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as listing:
        assert listing.stdout is not None
        assert listing.stdout.read(2) == b"01"
        listing.stdout.close()

        assert listing.wait(SOON) == 7
        assert listing.stderr is not None
        assert listing.stderr.read() == b""


def on_a_terminal(tool: Tool, answer: str | signal.Signals, *words: object) -> Ended:
    """Run a command whose stdin and stderr are a terminal; `answer` it once it asks."""
    with a_terminal() as (ours, theirs):
        return _answered(tool, answer, words, ours, theirs)


@contextmanager
def a_terminal() -> Iterator[tuple[int, int]]:
    """Open a terminal: our side, whose reads do not block, and the side of a process."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    try:
        yield ours, theirs
    finally:
        os.close(theirs)
        os.close(ours)


def _answered(
    tool: Tool, answer: str | signal.Signals, words: Sequence[object], ours: int, theirs: int
) -> Ended:
    process = replace(tool, variables=XTERM).fork(*words, stdin=theirs, stderr=theirs)
    seen = bytearray()

    def shows(text: bytes) -> bool:
        seen.extend(_at_hand(ours))
        return text in seen

    try:
        eventually(lambda: shows(b"Type yes: "), "the question")
        if isinstance(answer, str):
            os.write(ours, answer.encode())
        else:
            process.send_signal(answer)
        eventually(lambda: shows(b"\0") or process.poll() is not None, "the end")
        shows(b"")
        assert process.stdout is not None
        with process.stdout:
            return Ended(process.returncode, process.stdout.read(), seen.decode())
    finally:
        process.kill()
        process.wait()


def _at_hand(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("answer", ["yes\n", "y\n"])
def test_yes_typed_on_a_terminal_sets_it_off(own: Tool, answer: str) -> None:
    with sandbox(own, jobs=50) as server:
        ended = on_a_terminal(own, answer, "apply", "plan.yaml", "-o", "json")

        assert ended.code == 0, ended.err
        assert server.sent() == ended.json["outcomes"]["applied"] > 0
    assert f"sandbox  {server.server}" in ended.err, "which cluster, and where"
    assert "paint is about to patch" in ended.err


@pytest.mark.parametrize("answer", ["no\n", "ye\n", "\n", "\x04", "yes please\n"])
def test_anything_but_yes_sends_nothing_and_keeps_the_plan(
    tool: Tool, server: SandboxServer, answer: str
) -> None:
    before = server.sent()

    ended = on_a_terminal(tool, answer, "apply", "plan.yaml")

    assert (ended.code, ended.out) == (2, "")
    (run_file,) = tool.state.rglob("*.run")
    assert f"\nNothing was sent; the run is kept: `fleetpatch apply {run_file.stem}` c" in ended.err
    assert server.sent() == before


def test_ctrl_c_at_the_question_sends_nothing(tool: Tool, server: SandboxServer) -> None:
    before = server.sent()

    ended = on_a_terminal(tool, signal.SIGINT, "apply", "plan.yaml")

    assert ended.code == 5
    assert re.search(r"Type yes: (\^C)?\r\nNothing was sent", ended.err)
    assert "fleetpatch: interrupted" in ended.err
    assert "Traceback" not in ended.err
    assert server.sent() == before


def test_a_second_signal_shows_the_cursor_again_and_names_the_run(own: Tool) -> None:
    hanging = {"rules": [{"action": "hang", "latency": {"mean": 60}}]}
    seen = bytearray()
    with (
        sandbox(own, jobs=50, chaos=hanging) as server,
        a_terminal() as (ours, theirs),
        Path(os.devnull).open("w") as nowhere,
    ):
        process = replace(own, variables=XTERM).fork(
            "apply", "plan.yaml", "--yes", stdin=theirs, stdout=nowhere.fileno(), stderr=theirs
        )

        def shows(text: bytes) -> bool:
            seen.extend(_at_hand(ours))
            return text in seen

        try:
            eventually(lambda: shows(b"Applying") and server.requests("patch") > 0, "the progress")
            assert b"\x1b[?25l" in seen
            process.send_signal(signal.SIGINT)
            eventually(lambda: shows(b"SIGINT: stopping"), "the first message")
            process.send_signal(signal.SIGINT)
            assert process.wait(SOON) == 5
            eventually(lambda: shows(b"exited at once"), "the second message")
        finally:
            process.kill()
            process.wait()

    (run_file,) = own.state.rglob("*.run")
    advice = f"continue with `fleetpatch resume {run_file.stem}`\r\n"
    assert seen.endswith(f"\x1b[?25h\r\nSIGINT: exited at once; {advice}".encode())


def test_the_token_is_in_nothing_that_is_written(own: Tool) -> None:
    with sandbox(own, jobs=50, chaos="rough") as server:
        token = json.loads(server.kubeconfig.read_text())["users"][0]["user"]["token"]
        said = [
            own.run("plan", "plan.yaml"),
            own.run("apply", "paint", "--yes", "--request-timeout", "1s"),
            own.run("status", "paint"),
            own.run("targets", "paint", "-o", "json"),
        ]

    assert all(token not in ended.out + ended.err for ended in said)
    written = [path for path in own.state.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} >= {".run", ".jsonl"}
    assert all(token.encode() not in path.read_bytes() for path in written)
    assert all(_is_private(path) for path in written)


def _is_private(path: Path) -> bool:
    return path.stat().st_mode & 0o077 == 0
