"""The requests for a run, on real files.

Covered: order, requests that are there already, what a file of another kind leads to, values that a
plan could not have. Left out: who follows them (tests/e2e/test_steering.py).
"""

from pathlib import Path

import msgspec
import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal.runs import control
from fleetpatch.model.steering import Action, Request


def request(number: int, action: Action = Action.PACE, **more: object) -> Request:
    made = {"id": f"id-{number}", "at": "2027-01-15T08:00:00Z", "by": "ann@ops", "action": action}
    return msgspec.convert(made | more, Request)


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    return tmp_path / "paint-1.run"


def test_requests_are_read_in_the_order_in_which_they_were_made(run_file: Path) -> None:
    made = [request(1, rate=50.0), request(2, concurrency=3), request(3, Action.PAUSE)]
    for one in made:
        control.add(run_file, one)
        control.add(run_file, one)

    assert control.read(run_file) == tuple(made)
    assert [path.name for path in run_file.parent.iterdir()] == ["paint-1.control.json"]


def test_without_a_file_there_are_no_requests(run_file: Path) -> None:
    control.remove(run_file)

    assert control.read(run_file) == ()


def test_old_requests_are_dropped_before_the_file_gets_long(run_file: Path) -> None:
    for number in range(130):
        control.add(run_file, request(number))

    assert [one.id for one in control.read(run_file)][:1] == ["id-30"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"requests": [1]}',
        b"\xff",
        b'{"requests": [{"id": "\xff"}]}',
        b'{"later": ' + b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(run_file: Path, content: bytes) -> None:
    control.beside(run_file).write_bytes(content)

    with pytest.raises(RunFileError, match=r"paint-1\.control\.json: is not a list of requests"):
        control.read(run_file)


@pytest.mark.parametrize(
    "values",
    [{"rate": 0}, {"rate": -5}, {"rate": 1e300}, {"concurrency": 0}, {"concurrency": 1001}],
)
def test_values_that_a_plan_could_not_have_are_refused(
    run_file: Path, values: dict[str, float]
) -> None:
    made = msgspec.to_builtins(request(1)) | values
    control.beside(run_file).write_bytes(msgspec.json.encode({"requests": [made]}))

    with pytest.raises(RunFileError):
        control.read(run_file)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "paint-1.run"

    with pytest.raises(RunFileError, match=r"paint-1\.control\.json"):
        control.add(missing, request(1))
