"""`--log-max-size` and `$FLEETPATCH_LOG_MAX_SIZE`: the log of a run is rotated by size.

Covered: the option and the variable on the verbs that write a log, sizes that are not valid,
stdout, what `forget` removes. Left out: how a file is rotated (tests/report/test_rotation.py).
"""

import json
from pathlib import Path

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, end

EARLIER = b'{"event": "earlier"}\n'
FULL = EARLIER * (64 * 1024 // len(EARLIER))
"""The lines of a log that is as large as the smallest size allows."""


def events(log: Path) -> list[str]:
    return [json.loads(line)["event"] for line in log.read_text().splitlines()]


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        pytest.param(["--log-max-size", "64k"], "", id="by the option"),
        pytest.param([], "64KiB", id="by the variable"),
        pytest.param(["--log-max-size", "65536"], "1G", id="by the option before the variable"),
    ],
)
def test_the_log_of_a_run_is_rotated_by_size(
    call: Caller, tool: Tool, monkeypatch: pytest.MonkeyPatch, option: list[str], variable: str
) -> None:
    if variable:
        monkeypatch.setenv("FLEETPATCH_LOG_MAX_SIZE", variable)
    log = tool.folder / "nightly.jsonl"
    log.write_bytes(FULL)
    name = f"size-{len(option)}{len(variable)}"

    ended = call("apply", tool.write("plan.yaml", marking(name)), "-y", "--log-file", log, *option)

    assert ended.code == 0, ended.err
    assert (tool.folder / "nightly.jsonl.1").read_bytes() == FULL
    assert events(log)[-1] == "run.finished"
    assert events(log).count("target.applied") == 20
    assert not (tool.folder / "nightly.jsonl.2").exists()


def test_without_a_size_the_log_is_not_rotated(call: Caller, tool: Tool) -> None:
    log = tool.folder / "nightly.jsonl"
    log.write_bytes(FULL)

    ended = call("apply", tool.write("plan.yaml", marking("whole")), "--yes", "--log-file", log)

    assert ended.code == 0, ended.err
    assert log.read_bytes().startswith(FULL)
    assert not (tool.folder / "nightly.jsonl.1").exists()


@pytest.mark.parametrize("verb", ["plan", "resume", "undo"])
def test_every_verb_that_writes_a_log_takes_the_size(call: Caller, tool: Tool, verb: str) -> None:
    file = tool.write("plan.yaml", marking(f"by-{verb}"))
    if verb != "plan":
        assert call("apply", file, "--yes").code == 0
    log = tool.folder / "nightly.jsonl"
    log.write_bytes(FULL)

    yes = ["--yes"] if verb != "plan" else []
    ended = call(
        verb,
        file if verb == "plan" else f"by-{verb}",
        *yes,
        *("--log-file", log, "--log-max-size", "64k"),
    )

    assert ended.code == 0, ended.err
    assert (tool.folder / "nightly.jsonl.1").read_bytes() == FULL
    assert events(log)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("10 MB", "'10 MB' is not a valid size; write it as 512k, 100M or 2G"),
        ("1.5G", "'1.5G' is not a valid size"),
        ("-1M", "'-1M' is not a valid size"),
        ("1T", "'1T' is not a valid size"),
        ("0", "'0' is too small; use 64k or more"),
        ("65535", "'65535' is too small; use 64k or more"),
    ],
)
def test_a_size_that_is_not_valid_is_refused_before_anything_is_sent(
    call: Caller, server: SandboxServer, tool: Tool, size: str, message: str
) -> None:
    sent = server.sent()

    ended = call("apply", tool.write("p.yaml", marking("x")), "-y", f"--log-max-size={size}")

    assert ended.code == 2
    assert message in ended.err
    assert server.sent() == sent


def test_a_log_on_stdout_is_not_rotated(tool: Tool) -> None:
    file, log = tool.write("plan.yaml", marking("streamed")), tool.folder / "stdout"
    log.write_bytes(FULL)

    with log.open("a") as out:
        words = ("apply", file, "--yes", "--log-file", "-", "--log-max-size", "64k")
        assert end(tool.fork(*words, stdout=out.fileno())).code == 0

    assert log.read_bytes().startswith(FULL)
    assert events(log)[-1] == "run.finished"
    assert not list(tool.folder.glob("stdout.*"))


def test_forget_removes_the_rotated_logs_of_a_run_and_no_others(call: Caller, tool: Tool) -> None:
    run_file = Path(
        call("plan", tool.write("p.yaml", marking("old")), "-o", "json").json["runFile"]
    )
    log = run_file.with_suffix(".jsonl")
    others = [run_file.with_name(f"{log.name}.bak"), run_file.with_name(f"{log.name}.21")]
    ours = [run_file.with_name(f"{log.name}.{number}") for number in (1, 2, 20)]
    for one in (*ours, *others):
        one.touch()

    assert call("forget", run_file.stem).code == 0

    assert [one.exists() for one in (run_file, log, *ours)] == [False] * 5
    assert all(one.exists() for one in others)
