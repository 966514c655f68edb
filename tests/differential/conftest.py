"""Fixtures: both servers, for one module of tests, with a namespace of the same name."""

from collections.abc import Iterator

import pytest

from fleetpatch.sandbox.server import SandboxOptions
from tests.control_plane import ControlPlane
from tests.differential.servers import BothServers
from tests.sandbox.serving import SandboxThread


@pytest.fixture(scope="module")
def both(control_plane: ControlPlane) -> Iterator[BothServers]:
    namespace = control_plane.namespace()
    with SandboxThread(SandboxOptions(jobs=0, namespaces=0)) as running:
        body = {"metadata": {"name": namespace}}
        assert running.client.request("POST", "/api/v1/namespaces", body).status == 201
        yield BothServers(running.client, control_plane.client(), namespace)
