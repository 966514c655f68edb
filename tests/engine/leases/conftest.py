"""Fixtures of the tests of a Lease."""

import pytest

from tests.fakes import VirtualClock
from tests.fakes.leases import LeaseServer


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer(VirtualClock())
