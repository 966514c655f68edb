"""Two real control planes as two clusters, changed over workers of which one is killed.

Left out: 2,000 objects on each (bench/workers_planes.py).
"""

from pathlib import Path

import pytest

from tests.control_plane import ControlPlane, OwnControlPlane
from tests.workers.planes import violations_after_a_kill


@pytest.mark.control_plane
def test_each_object_of_two_control_planes_is_stored_once_though_a_worker_is_killed(
    control_plane: ControlPlane, own_control_plane: OwnControlPlane, tmp_path: Path
) -> None:
    planes = (control_plane, own_control_plane)
    assert list(violations_after_a_kill(planes, tmp_path, 150)) == []
