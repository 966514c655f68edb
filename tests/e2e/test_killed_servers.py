"""Nothing is lost or done twice if the API server or etcd is killed (see test_kills.py).

These tests have a control plane of their own.
"""

import random
from collections.abc import Callable

import pytest

from tests.control_plane import OwnControlPlane
from tests.e2e.injected_faults import InjectedFault, dying_apiserver, dying_etcd
from tests.e2e.proxies import proxy
from tests.e2e.tool import Tool
from tests.e2e.trial_fleets import APPEND, MERGE, Body, Fleet
from tests.e2e.trials import PACE, Trial

pytestmark = pytest.mark.control_plane

TARGETS = 150


@pytest.mark.parametrize(
    ("dying", "body"), [(dying_apiserver, APPEND), (dying_etcd, MERGE)], ids=["apiserver", "etcd"]
)
def test_a_killed_server_does_not_make_a_run_lose_or_repeat_anything(
    own_control_plane: OwnControlPlane,
    tool: Tool,
    generator: random.Random,
    dying: Callable[[OwnControlPlane, random.Random], InjectedFault],
    body: Body,
) -> None:
    assert tool.kubeconfig is not None
    fleet = Fleet(own_control_plane, body, TARGETS)
    fault = dying(own_control_plane, generator)
    with proxy(own_control_plane.server, own_control_plane.ca_file) as wire:
        wire.redirect(own_control_plane.kubeconfig(tool.kubeconfig, user="alice"))
        trial = Trial(tool, fleet, wire.patches, fault, generator, span=0.3)
        result = trial.run(1, pace=PACE)

    assert result.violations == []
