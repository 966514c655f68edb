"""The thread that writes the metrics of a command.

Covered: the write at the start and every few seconds, a file that cannot be written any more, an
exit at once, what is kept of the command before. Left out: options (tests/cli).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.errors import Exit, UsageError
from fleetpatch.metrics import monitor, prometheus
from fleetpatch.metrics.addresses import read_gateway
from fleetpatch.metrics.monitor import Monitor, Places
from fleetpatch.metrics.textfile import Textfile
from fleetpatch.model.plan.schema import Plan
from tests.e2e.tool import HANG, SOON, eventually
from tests.plans import plan_from


def a_plan(name: str = "nightly") -> Plan:
    return plan_from(
        {
            "metadata": {"name": name},
            "targets": [{"kinds": ["jobs.batch"]}],
            "patch": {"labels": {"a": "1"}},
        }
    )


@contextmanager
def monitoring(place: Path, **more: Any) -> Iterator[Monitor]:
    shown = Monitor("apply", "word", Places(Textfile(place)), **more)
    yield shown
    shown.close(Exit.OK)


def values(file: Path) -> dict[str, float]:
    samples = prometheus.parse(file.read_text())
    return {one.name.removeprefix("fleetpatch_"): one.value for one in samples}


def is_shown(file: Path, name: str, value: float) -> bool:
    """Return whether the file has a value; there may be no file yet."""
    return file.exists() and values(file).get(name) == value


def test_the_file_is_written_when_the_plan_is_known(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    with monitoring(file) as shown:
        assert not file.exists()
        shown.planned(a_plan())
        eventually(file.exists, "the file is written")
        assert values(file)["running"] == 1

    assert values(file)["running"] == 0


def test_the_file_is_written_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    times = iter(range(1000, 10**9))

    def report_of() -> float:
        return values(file)["last_report_timestamp_seconds"] if file.exists() else 0.0

    with monitoring(file, interval=0.01, wall=lambda: float(next(times))) as shown:
        shown.planned(a_plan())
        eventually(lambda: report_of() > 1010, "ten reports")


def test_a_file_that_cannot_be_written_any_more_is_reported_once(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with monitoring(folder / "m.prom", interval=0.01) as shown:
        shown.planned(a_plan())
        eventually((folder / "m.prom").exists, "the file is written")
        (folder / "m.prom").unlink()
        folder.rename(tmp_path / "gone")
        eventually(lambda: bool(shown.problems), "a problem is found")

    [problem] = shown.problems
    assert problem.startswith(f"metrics: {folder}/m.prom: cannot be written (No such file")


def test_a_gateway_that_never_ends_its_answer_is_reported_and_the_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "_LAST", 0.2)
    file, is_over, pushes = tmp_path / "m.prom", threading.Event(), threading.Event()

    def answers_byte_by_byte(*_words: object) -> None:
        pushes.set()
        is_over.wait()

    monkeypatch.setattr(prometheus, "push", answers_byte_by_byte)
    places = Places(Textfile(file), None, read_gateway("http://user:hunter2@push.example:9091"))
    shown = Monitor("apply", "word", places)
    shown.planned(a_plan())
    pushes.wait()
    shown.close(Exit.TROUBLE, "unreachable")
    is_over.set()

    eventually(lambda: is_shown(file, "running", 0), "the last figures are in the file")
    assert values(file)["last_exit_code"] == 7
    where = "metrics: http://push.example:9091: cannot be pushed to (timed out)"
    assert f"{where}; the run is not affected" in shown.problems


def test_a_disk_that_hangs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_LAST", 0.2)
    is_over = threading.Event()
    monkeypatch.setattr(Textfile, "write", lambda *_words: is_over.wait())
    shown = Monitor("apply", "word", Places(Textfile(tmp_path / "m.prom")))
    shown.planned(a_plan())
    shown.close(Exit.OK)
    is_over.set()

    [problem] = shown.problems
    assert "m.prom: cannot be written (timed out)" in problem


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e400"])
def test_an_end_that_is_no_number_is_not_taken_from_the_file(tmp_path: Path, value: str) -> None:
    file = tmp_path / "m.prom"
    names = ("last_exit_code", "last_end_timestamp_seconds", "last_success_timestamp_seconds")
    file.write_text("".join(f'fleetpatch_{name}{{plan="nightly"}} {value}\n' for name in names))
    with monitoring(file) as shown:
        shown.planned(a_plan())

    assert values(file)["last_exit_code"] == 0
    assert "last_success_timestamp_seconds" not in values(file)


def test_an_exit_at_once_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_AT_ONCE", SOON)
    file = tmp_path / "m.prom"
    shown = Monitor("apply", "word", Places(Textfile(file)))
    shown.planned(a_plan())

    shown.exit_now(Exit.PAUSED)

    assert values(file).items() >= {"running": 0, "last_exit_code": 5, "last_cause": 1}.items()
    assert 'cause_code="interrupted"' in file.read_text()


def test_an_exit_at_once_after_the_end_keeps_what_was_shown(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    with monitoring(file) as shown:
        shown.planned(a_plan())
        shown.close(Exit.TROUBLE, "unreachable")
        shown.exit_now(Exit.TROUBLE)

        assert values(file)["last_exit_code"] == 7
        assert 'cause_code="unreachable"' in file.read_text()


def test_while_a_command_runs_the_file_shows_how_the_one_before_ended(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    with monitoring(file) as first:
        first.planned(a_plan())
        first.close(Exit.HALTED, "max-failures")
    end = values(file)["last_end_timestamp_seconds"]
    file_before = file.stat().st_ino

    with monitoring(file) as second:
        second.planned(a_plan())
        eventually(lambda: file.stat().st_ino != file_before, "the second command has written")
        assert values(file)["running"] == 1
        assert values(file)["last_exit_code"] == 4
        assert values(file)["last_end_timestamp_seconds"] == end
        assert 'cause_code="max-failures"' in file.read_text()


def test_a_file_of_another_plan_is_left_as_it_is_even_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    file.write_text('fleetpatch_running{plan="weekly"} 0\n')
    shown = Monitor("apply", "word", Places(Textfile(file)))

    with pytest.raises(UsageError, match="the plan weekly"):
        shown.planned(a_plan())
    shown.close(Exit.USAGE, "usage")

    assert file.read_text() == 'fleetpatch_running{plan="weekly"} 0\n'


def test_a_command_that_finds_the_plan_locked_leaves_the_file_to_the_process_that_has_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "m.prom"
    with monitoring(file, interval=HANG) as first:
        first.planned(a_plan())
        eventually(file.exists, "the first command has written")
        written = file.read_bytes()
        second = Monitor("apply", "word", Places(Textfile(file)))
        second.planned(a_plan())
        second.close(Exit.LOCKED, "locked")
        assert file.read_bytes() == written

        third = Monitor("apply", "word", Places(Textfile(file)))
        third.planned(a_plan())
        third.close(Exit.USAGE, "usage")
        assert values(file)["last_exit_code"] == 2


def test_a_locked_plan_is_shown_where_no_process_writes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    died_at = time.time() - 3600
    file.write_text(
        'fleetpatch_running{plan="nightly",command="apply"} 1\n'
        f'fleetpatch_last_report_timestamp_seconds{{plan="nightly"}} {died_at}\n'
    )
    shown = Monitor("apply", "word", Places(Textfile(file)))
    shown.planned(a_plan())
    shown.close(Exit.LOCKED, "locked")

    assert values(file)["last_exit_code"] == 6
    assert 'cause_code="locked"' in file.read_text()


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "m.prom"
    file.touch()
    with monitoring(file) as shown:
        shown.planned(a_plan())

    assert values(file)["running"] == 0


@pytest.mark.parametrize("name", ["a.b", "a-b", "../a", "a b", "ä"])
def test_the_file_of_a_plan_is_in_its_folder(tmp_path: Path, name: str) -> None:
    path = Textfile(tmp_path).path_of(name)

    assert path.parent == tmp_path
    assert path.suffix == ".prom"


def test_two_commands_may_try_the_same_folder(tmp_path: Path) -> None:
    Textfile(tmp_path)
    Textfile(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_gateway_that_does_not_answer_delays_the_end_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waits: list[float] = []

    def join(_thread: Any, wait: float) -> None:
        waits.append(wait)

    with monitoring(tmp_path / "m.prom") as shown:
        shown.planned(a_plan())
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "join", join)
            shown.close(Exit.OK)

    # Both places share the time.
    assert 0 < min(waits) <= max(waits) <= prometheus.PUSH_TIMEOUT + 1.0
