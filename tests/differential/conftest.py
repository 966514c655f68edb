"""Fixtures: both servers, for one module of tests, with a namespace of the same name."""

from collections.abc import Iterator

import pytest

from fleetpatch.sandbox.server import SandboxOptions
from tests.control_plane import ControlPlane
from tests.differential.servers import BothServers
from tests.sandbox.serving import SandboxThread
from tests.server_versions import Expected


@pytest.fixture(scope="module")
def both(control_plane: ControlPlane, expected: Expected) -> Iterator[BothServers]:
    if expected.sandbox is None:
        pytest.skip(f"the sandbox cannot serve Kubernetes {expected.version}")
    namespace = control_plane.namespace()
    options = SandboxOptions(jobs=0, namespaces=0, kubernetes=expected.sandbox)
    with SandboxThread(options) as running:
        body = {"metadata": {"name": namespace}}
        assert running.client.request("POST", "/api/v1/namespaces", body).status == 201
        yield BothServers(running.client, control_plane.client(), namespace)
