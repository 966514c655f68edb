"""Signals at every instant of a command: imports, arguments, planning, the session, the end.

Covered: SIGINT, SIGTERM and SIGHUP that a parent ignores or blocks, signals while modules are
imported, signals at instants spread over a whole command, a second signal, signals while the
interpreter shuts down.
Left out: signals during a session, and what is in flight then (tests/e2e/test_pausing.py), the
question (test_streams.py), waves and windows (tests/e2e).
"""

import array
import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetpatch.errors import Exit
from tests.cli.calling import Ended
from tests.cli.conftest import ETL, paint
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import HANG, SOON, Tool, end, eventually, plan

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
JOBS = 50
BATCH_JOBS = JOBS // 5

AT_AN_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), number)

number, wanted = int(sys.argv[1]), sys.argv[2]
sys.argv = ["fleetpatch", *sys.argv[3:]]
from fleetpatch.cli.app import main
sys.meta_path.insert(0, Finder())
main()
"""
"""Sends itself a signal when a module is looked for."""

AT_AN_EVENT = """
import os, signal, sys

seen = 0

def count(event, arguments):
    global seen
    seen += 1
    if seen == wanted:
        os.kill(os.getpid(), number)

def tell():
    with open("events", "w") as file:
        file.write(str(seen))

number, wanted = int(sys.argv[1]), int(sys.argv[2])
sys.argv = ["fleetpatch", *sys.argv[3:]]
from fleetpatch.cli.app import main
if not wanted:
    import atexit
    atexit.register(tell)
sys.addaudithook(count)
main()
"""
"""Sends itself a signal at an audit event (an import, an open, a connect, ...), counted from 1."""

TALKATIVE = """
import os, sys
from fleetpatch.cli import app, signals

def write(_arguments=()):
    while True:
        sys.stderr.write("x" * 4096)

def write_on(_arguments):
    with signals.responding(lambda _number: os.write(1, b"received")):
        write()

app._call = write_on if sys.argv[1:] else write
app.main()
"""
"""Writes to stderr until it blocks; with an argument the first signal does not end it."""

STUCK = """
import signal, sys
from pathlib import Path
import fleetpatch.cli.event_loop as event_loop

async def never_ends(work):
    try:
        return await work()
    finally:
        Path("cancelled").touch()
        signal.pause()

original = event_loop._until_signalled
event_loop._until_signalled = lambda work: original(lambda: never_ends(work))
sys.argv = ["fleetpatch", *sys.argv[1:]]
from fleetpatch.cli.app import main
main()
"""
"""Does not end when its work is cancelled."""

WITH_A_BLOCKED_SIGNAL = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [int(sys.argv[1])])
os.execv(sys.executable, [sys.executable, "-m", "fleetpatch", *sys.argv[2:]])
"""


AT_A_PIPE = """
import os, signal, sys
from fleetpatch.kube.kubeconfig import content

def look(_number, frame):
    if frame.f_back and frame.f_back.f_code is content._read.__code__:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.kill(os.getpid(), number)

number = int(sys.argv[1])
sys.argv = ["fleetpatch", *sys.argv[2:]]
signal.signal(signal.SIGALRM, look)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
from fleetpatch.cli.app import main
main()
"""
"""Sends itself a signal while it opens its kubeconfig."""


def python(tool: Tool, program: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=tool.folder,
        env=tool.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ignoring(number: signal.Signals) -> Sequence[str]:
    """The beginning of a command line: its command ignores a signal, as with `&` in `sh`."""
    name = number.name.removeprefix("SIG")
    return ["sh", "-c", f'trap "" {name}; exec "$@"', "sh"]


@pytest.fixture
def slow(own: Tool) -> Iterator[SandboxServer]:
    """A server whose lists take a second."""
    with listing_for(own, 1) as server:
        yield server


@pytest.fixture
def stuck(own: Tool) -> Iterator[SandboxServer]:
    """A server whose lists do not end within a test."""
    with listing_for(own, HANG) as server:
        yield server


@contextmanager
def listing_for(own: Tool, seconds: float) -> Iterator[SandboxServer]:
    delay = {"action": "slow", "methods": ["LIST"], "latency": {"mean": seconds}}
    with sandbox(own, jobs=JOBS, chaos={"rules": [delay]}) as server:
        yield server


def plans(
    tool: Tool, server: SandboxServer, *more: str, under: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start a command that sends without asking, and wait until it lists."""
    words = ("label", "jobs.batch", "colour=red", "-A", "-l", "app", "--yes")
    process = tool.start(*words, *more, under=under) if under else tool.fork(*words, *more)
    eventually(lambda: server.requests("list") > 0, "the survey")
    return process


def nothing_was_done(tool: Tool, server: SandboxServer, ended: Ended) -> None:
    assert (ended.code, ended.out, ended.err) == (5, "", "fleetpatch: interrupted\n")
    assert server.sent() == 0
    assert not list(tool.state.rglob("*.run*"))


@pytest.mark.parametrize("ignored", SIGNALS)
def test_sigterm_ends_the_planning_whatever_the_parent_ignores(
    own: Tool, stuck: SandboxServer, ignored: signal.Signals
) -> None:
    process = plans(own, stuck, under=ignoring(ignored))
    process.terminate()

    nothing_was_done(own, stuck, end(process, timeout=SOON))


def test_with_json_the_signal_that_ended_the_planning_is_a_cause(
    own: Tool, stuck: SandboxServer
) -> None:
    process = plans(own, stuck, "-o", "json")
    process.terminate()
    ended = end(process, timeout=SOON)

    found = {"cause": "interrupted", "causeCode": "interrupted", "exitCode": 5}
    assert (ended.code, ended.json) == (5, found)
    assert stuck.sent() == 0


def test_a_background_job_of_a_shell_is_ended_by_kill(own: Tool, stuck: SandboxServer) -> None:
    background = ["sh", "-c", '"$@" & echo $! > new; mv new pid; wait $!', "sh"]
    process = plans(own, stuck, under=background)
    eventually((own.folder / "pid").exists, "the shell has written its process")
    pid = (own.folder / "pid").read_text().strip()
    subprocess.run(["kill", "-TERM", pid], check=True)

    nothing_was_done(own, stuck, end(process, timeout=SOON))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_parent_ignores_stays_ignored(
    own: Tool, slow: SandboxServer, number: signal.Signals
) -> None:
    process = plans(own, slow, under=ignoring(number))
    process.send_signal(number)
    ended = end(process)

    assert (ended.code, ended.notes) == (0, "")
    assert slow.sent() == BATCH_JOBS


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_the_parent_blocks_is_handled(
    own: Tool, stuck: SandboxServer, number: signal.Signals
) -> None:
    words = ("label", "jobs.batch", "colour=red", "-A", "-l", "app", "--yes")
    process = python(own, WITH_A_BLOCKED_SIGNAL, int(number), *words)
    eventually(lambda: stuck.requests("list") > 0, "the survey")
    process.send_signal(number)

    nothing_was_done(own, stuck, end(process, timeout=SOON))


@contextmanager
def blocked_on_stderr(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start TALKATIVE, and wait until the pipe of its stderr is full."""
    command = [sys.executable, "-c", TALKATIVE, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            pipe = process.stderr.fileno()
            size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
            waiting = array.array("i", [0])
            eventually(
                lambda: not fcntl.ioctl(pipe, termios.FIONREAD, waiting) and waiting[0] == size,
                "a full pipe",
            )
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_a_starting_process_whose_stderr_is_blocked(
    number: signal.Signals,
) -> None:
    with blocked_on_stderr() as process:
        process.send_signal(number)

        assert process.wait(SOON) == Exit.PAUSED


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_ends_a_working_process_whose_stderr_is_blocked(
    number: signal.Signals,
) -> None:
    with blocked_on_stderr("working") as process:
        process.send_signal(number)
        assert process.stdout
        assert process.stdout.read(8) == b"received"
        process.send_signal(number)

        assert process.wait(SOON) == Exit.PAUSED


def test_a_second_signal_while_planning_exits_at_once(own: Tool, stuck: SandboxServer) -> None:
    """Some work, such as a name lookup, takes time to be cancelled."""
    words = ("label", "jobs.batch", "colour=red", "-A", "-l", "app", "--yes")
    process = python(own, STUCK, *words)
    eventually(lambda: stuck.requests("list") > 0, "the survey")
    process.terminate()
    eventually((own.folder / "cancelled").exists, "the cancellation")
    process.terminate()
    ended = end(process, timeout=SOON)

    assert (ended.code, ended.err) == (5, "SIGTERM: exited at once\n")
    assert stuck.sent() == 0


@pytest.mark.parametrize(
    "module",
    [
        "click",
        "fleetpatch.cli.verbs.label",
        "msgspec",
        "aiohttp",
        "anyio._backends._asyncio",
        "uvloop",
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_imports_ends_the_command(
    tool: Tool, server: SandboxServer, number: signal.Signals, module: str
) -> None:
    sent = server.sent()
    words = ("label", "jobs.batch", "colour=red", "-A", "-l", "app", "--yes")

    ended = end(python(tool, AT_AN_IMPORT, int(number), module, *words))

    assert (ended.code, ended.out, ended.err) == (5, "", "fleetpatch: interrupted\n")
    assert server.sent() == sent


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_signal_ends_the_wait_for_a_kubeconfig_that_is_a_pipe(
    tmp_path: Path, verb: str, number: signal.Signals
) -> None:
    os.mkfifo(tmp_path / "pipe")
    tool = Tool(tmp_path, tmp_path / "pipe")
    file = tool.write("plan.yaml", paint())

    ended = end(python(tool, AT_A_PIPE, int(number), verb, file), timeout=SOON)

    assert (ended.code, ended.err) == (Exit.PAUSED, "fleetpatch: interrupted\n")


def test_a_signal_at_any_instant_leaves_a_record_of_all_that_was_sent(own: Tool) -> None:
    with sandbox(own, jobs=JOBS) as server:
        words = ("apply", own.write("plan.yaml", paint()), "--yes", "-o", "json")
        last = end(python(own, AT_AN_EVENT, int(signal.SIGTERM), 0, *words, "--dry-run"))
        assert last.code == 0, last.err
        events = int((own.folder / "events").read_text())
        assert events > 1000
        sent = server.sent()

        for step in range(1, 11):
            own.write("plan.yaml", plan("paint", ETL, patch={"labels": {"colour": f"c{step}"}}))
            before = set(own.state.rglob("*.run"))
            number = SIGNALS[step % 3]
            at = events * step // 10

            ended = end(python(own, AT_AN_EVENT, int(number), at, *words, "--new"))

            assert ended.code in {0, 5}, (at, ended)
            assert "Traceback" not in ended.err, (at, ended)
            new = set(own.state.rglob("*.run")) - before
            applied = sum(_applied(own, run) for run in new)
            assert server.sent() - sent == applied, (at, ended)
            sent = server.sent()


def _applied(tool: Tool, run_file: Path) -> int:
    counts: dict[str, int] = tool.run("status", run_file, "-o", "json").json["outcomes"]
    return counts["applied"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_interpreter_shuts_down_changes_no_exit_code(
    tool: Tool, number: signal.Signals
) -> None:
    late = f"import atexit, signal; atexit.register(signal.raise_signal, {int(number)})"
    program = f"{late}; from fleetpatch.cli.app import main; main()"

    ended = end(python(tool, program, "--version"))

    assert (ended.code, ended.notes) == (0, "")
