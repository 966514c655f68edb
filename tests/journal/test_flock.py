"""The lock of a run file, on a disk that is full. Left out: who holds it (tests/e2e)."""

from pathlib import Path

import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal import flock
from tests.e2e.disks import mounted


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16k") as folder:
        lock = folder / "paint.run.lock"
        lock.touch()
        with pytest.raises(OSError, match="No space left"):
            (folder / "fill").write_bytes(b"x" * 100_000)

        with (
            pytest.raises(RunFileError, match=f"{lock}: the lock cannot be written .No space left"),
            flock.hold(lock, "paint"),
        ):
            pytest.fail("the lock is held")
