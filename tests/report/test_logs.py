"""Covers `report.logs`: lines, the file, what lines never contain, and failing disks.

Leaves out which events the engine writes (its own tests) and the looks of secrets
(tests/model/test_masking.py).
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from fleetpatch.errors import Exit, LogError
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target_line import TargetLine
from fleetpatch.report.logs import Log, open_log, processors

NOON = 1_709_294_400.0  # 2024-03-01T12:00:00Z


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def one_line(write: Callable[[Log], None], path: Path) -> dict[str, Any]:
    with open_log(path, run="r1", now=lambda: NOON) as log:
        write(log)
    (line,) = lines_of(path)
    return line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r1.jsonl"


def test_an_event_is_one_line_with_time_level_event_and_run_first(path: Path) -> None:
    with open_log(path, run="r1", now=lambda: NOON + 0.25) as log:
        log.info("target.applied", name="etl-1", reason=Reason.PATCHED, http_status=200)
        log.warning("target.failed", elapsed_ms=1.23456, detail=None)
    assert path.read_text() == (
        '{"timestamp":"2024-03-01T12:00:00.250Z","level":"info","event":"target.applied",'
        '"run":"r1","name":"etl-1","reason":"patched","http_status":200}\n'
        '{"timestamp":"2024-03-01T12:00:00.250Z","level":"warning","event":"target.failed",'
        '"run":"r1","elapsed_ms":1.235,"detail":null}\n'
    )


def test_a_whole_second_has_its_milliseconds_too(path: Path) -> None:
    assert one_line(lambda log: log.info("run.started"), path)["timestamp"] == (
        "2024-03-01T12:00:00.000Z"
    )


def test_bound_fields_are_in_every_line(path: Path) -> None:
    line = one_line(lambda log: log.bind(cluster="prod-a").info("pace.changed"), path)
    assert (line["run"], line["cluster"]) == ("r1", "prod-a")


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    one_line(lambda log: log.info("run.started"), path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_run_appends(path: Path) -> None:
    for run in ("r1", "r2"):
        with open_log(path, run=run) as log:
            log.info("run.started")
    assert [line["run"] for line in lines_of(path)] == ["r1", "r2"]


def test_half_a_line_of_a_crash_does_not_spoil_the_next_one(path: Path) -> None:
    path.write_bytes(b'{"timestamp":"20')
    with open_log(path, run="r2") as log:
        log.info("run.started")
    torn, whole = path.read_bytes().splitlines()
    assert torn == b'{"timestamp":"20'
    assert msgspec.json.decode(whole)["run"] == "r2"


def test_lines_reach_the_file_at_a_flush_and_not_before(path: Path) -> None:
    with open_log(path, run="r1") as log:
        log.info("run.started")
        assert not path.read_bytes()
        log.flush()
        assert len(lines_of(path)) == 1


def test_many_lines_do_not_wait_for_a_flush(path: Path) -> None:
    with open_log(path, run="r1") as log:
        for _ in range(1000):
            log.info("target.applied", name="x" * 100)
        written = path.read_bytes()
        assert len(written) > 64 * 1024
        assert written.endswith(b"}\n")


def test_lines_are_written_when_the_run_breaks(path: Path) -> None:
    def break_down(log: Log) -> None:
        log.info("run.started")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        one_line(break_down, path)
    assert len(lines_of(path)) == 1


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        ("\x1b[2Jgone\n", "gone"),
        ("x" * 1_000_000, "x" * 333 + "…" + "x" * 165 + "…"),
        (["\x1b[1ma", {"b\n": "c\x07"}], ["a", {"b": "c"}]),
        (Path("/var/run/x"), "/var/run/x"),
        (float("nan"), None),
        ({"token": "abc", "n": 1}, {"token": "[redacted]", "n": 1}),
        (["said Bearer abc"], ["said Bearer [redacted]"]),
        ("Bea\x1b[0mrer abc", "Bearer [redacted]"),
    ],
)
def test_values_are_cleaned_cut_and_masked_at_any_depth(
    value: object, logged: object, path: Path
) -> None:
    assert one_line(lambda log: log.info("x.y", value=value), path)["value"] == logged


@pytest.mark.parametrize("key", ["token", "password", "authorization", "Authorization"])
def test_a_secret_is_masked_by_its_key(key: str, path: Path) -> None:
    assert one_line(lambda log: log.info("x.y", **{key: "abc"}), path)[key] == "[redacted]"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1).map("f_{}".format), json_values, max_size=4))
def test_any_fields_make_one_line_that_parses(fields: dict[str, Any]) -> None:
    line: Any = {"run": "r1", "event": "x.y", **fields}
    for process in processors(lambda: NOON):
        line = process(None, "info", line)
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line)["event"] == "x.y"


# Mostly texts of which the line of a target consists, and some that must be cleaned, masked or cut.
texts = st.sampled_from(
    ("prod-a", "etl-1", "", "x" * 300, "y" * 501, "token=abc", "\x1b[1mz", "Grün", 'a"b\\')
)


@given(
    st.lists(
        st.builds(
            TargetLine,
            *[texts] * 5,
            st.sampled_from([one.value for one in Reason]),
            st.none() | st.just(200),
            st.integers(0, 9),
            st.sampled_from((1.5, 0.0, 1.23456, float("nan"))),
            texts,
        ),
        max_size=3,
    )
)
def test_lines_of_targets_are_those_that_the_processors_make(lines: list[TargetLine]) -> None:
    with TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.jsonl", Path(folder) / "theirs.jsonl"
        with open_log(ours, run="Run 1", now=lambda: NOON) as log:
            log.bind(wave=1).targets("warning", "target.failed", lines)
        with open_log(theirs, run="Run 1", now=lambda: NOON) as log:
            for line in lines:
                fields = asdict(line)
                if not line.detail:
                    del fields["detail"]
                log.bind(wave=1).warning("target.failed", **fields)
        assert ours.read_bytes() == theirs.read_bytes()


def test_each_of_many_targets_has_a_line(path: Path) -> None:
    lines = [
        TargetLine("a", "jobs.batch", "", f"n-{number}", "u", Reason.PATCHED, 200, 1, 1.0)
        for number in range(250)
    ]
    with open_log(path, run="r1") as log:
        log.targets("info", "target.applied", lines)
        log.targets("info", "target.applied", ())

    assert [line["name"] for line in lines_of(path)] == [line.name for line in lines]


def test_a_full_disk_is_an_error_that_says_what_to_do() -> None:
    log = Path("/dev/full")
    with pytest.raises(LogError, match=r"/dev/full: .*cannot be written.*No space.*--log-file"):
        fill(log)
    assert LogError.exit_code is Exit.BROKEN


def fill(path: Path, once_open: Callable[[], None] = lambda: None) -> None:
    with open_log(path, run="r1") as log:
        once_open()
        log.info("run.started")
        log.flush()


def test_a_closed_pipe_is_an_error(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(LogError, match="Broken pipe"):
        fill(pipe, once_open=lambda: os.close(reader))


def test_a_place_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "r1.jsonl"
    with pytest.raises(LogError, match=r"nowhere/r1\.jsonl: the log cannot be opened"):
        fill(missing)
