"""Nothing is lost or done twice, whichever process dies: small versions of `python -m bench.kill`.

Covered: SIGKILL of the tool at random instants, connections cut before, in the middle of and after
a request's answer, an intermediary that applies PATCHes and answers otherwise or delivers them
twice, beside a second writer, and the undo of all that; Ctrl-C at random instants, one plan started
twice at once, and the lock of a dead holder. What must hold is written in `tests.e2e.trials`.
Left out: killed servers (test_killed_servers.py); 2,000 targets and 50 kills (bench/kill.py); power
loss and torn files (tests/journal).
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control_plane import ControlPlane
from tests.e2e import substitutes
from tests.e2e.injected_faults import INTERRUPTED, KILLED
from tests.e2e.proxies import Cut, Proxy, at_random, proxy
from tests.e2e.second_writer import SecondWriter
from tests.e2e.tool import Tool, end, eventually
from tests.e2e.trial_fleets import APPEND, APPLY, COMPUTED, MERGE, Body, Fleet
from tests.e2e.trials import PACE, Trial, start_twice

pytestmark = pytest.mark.control_plane

TARGETS = 150
BODIES = pytest.mark.parametrize(
    "body", [MERGE, APPEND, COMPUTED], ids=["merge", "append", "computed"]
)


@pytest.fixture
def wire(control_plane: ControlPlane, tool: Tool) -> Iterator[Proxy]:
    """A proxy that cuts nothing, before the control plane; the tool's kubeconfig leads there."""
    with proxy(control_plane.server, control_plane.ca_file) as wire:
        redirect(control_plane, tool, wire)
        yield wire


def redirect(control_plane: ControlPlane, tool: Tool, wire: Proxy) -> None:
    assert tool.kubeconfig is not None
    wire.redirect(control_plane.kubeconfig(tool.kubeconfig, user="alice"))


@BODIES
def test_a_run_that_is_killed_again_and_again_changes_every_object_once(
    control_plane: ControlPlane, tool: Tool, wire: Proxy, generator: random.Random, body: Body
) -> None:
    fleet = Fleet(control_plane, body, TARGETS)
    trial = Trial(tool, fleet, wire.patches, KILLED, generator, span=0.3)

    result = trial.run(4, pace=PACE)

    assert result.violations == []
    assert result.faults == 4


@pytest.mark.parametrize("cut", Cut)
def test_cut_connections_lose_and_repeat_nothing(
    control_plane: ControlPlane, tool: Tool, generator: random.Random, cut: Cut
) -> None:
    fleet = Fleet(control_plane, APPEND, TARGETS // 2)
    choose = at_random(cut, 0.2, generator.randrange(100))
    with proxy(control_plane.server, control_plane.ca_file, choose) as wire:
        redirect(control_plane, tool, wire)
        trial = Trial(tool, fleet, wire.patches, KILLED, generator, span=0.2)

        result = trial.run(1, pace=PACE)

    assert result.violations == []
    assert wire.interferences() > 5


@pytest.mark.parametrize(
    "body", [MERGE, APPEND, APPLY, COMPUTED], ids=["merge", "append", "apply", "computed"]
)
def test_replaced_answers_lose_and_repeat_nothing_and_undo_leaves_nothing_of_ours(
    control_plane: ControlPlane, tool: Tool, generator: random.Random, body: Body
) -> None:
    fleet = Fleet(control_plane, body, TARGETS // 2)
    choose = substitutes.at_random(0.3, generator.randrange(100))
    with (
        proxy(control_plane.server, control_plane.ca_file, choose) as wire,
        SecondWriter(fleet, generator),
    ):
        redirect(control_plane, tool, wire)
        trial = Trial(tool, fleet, wire.patches, KILLED, generator, span=0.2)
        result = trial.run(2, pace=PACE, retry={"budget": "100%", "maxDelay": "200ms"})

        trial.undo_all()

    assert result.violations == []
    assert wire.interferences() > 20


def test_ctrl_c_at_any_moment_ends_in_good_order_and_leaves_nothing_in_doubt(
    control_plane: ControlPlane, tool: Tool, wire: Proxy, generator: random.Random
) -> None:
    fleet = Fleet(control_plane, APPEND, TARGETS)
    trial = Trial(tool, fleet, wire.patches, INTERRUPTED, generator, span=0.12)

    result = trial.run(6, pace=PACE)

    assert result.violations == []
    assert len(wire.patches()) == TARGETS * result.runs, "each was patched once"


def test_a_second_process_for_one_plan_is_refused_with_the_holders_name(
    control_plane: ControlPlane, tool: Tool, wire: Proxy
) -> None:
    fleet = Fleet(control_plane, MERGE, 15)
    violations: list[str] = []
    for _ in range(5):
        fleet.runs += 1
        file = tool.write("plan.yaml", fleet.plan(pace={"rate": "1/s", "burst": 1}))
        violations += start_twice(tool, fleet, file)

    assert violations + list(fleet.violations()) == []
    assert len(wire.patches()) == 15 * 5


def test_the_lock_of_a_dead_holder_can_be_taken(
    control_plane: ControlPlane, tool: Tool, wire: Proxy
) -> None:
    fleet = Fleet(control_plane, MERGE, 30)
    fleet.runs += 1
    file = tool.write("plan.yaml", fleet.plan(pace={"rate": "10/m", "burst": 1}))
    process = tool.fork("apply", file, "--yes")
    eventually(lambda: len(wire.patches()) > 0, "a patch")
    process.kill()
    end(process)
    assert json.loads(lock_of(tool).read_text())["pid"] == process.pid

    again = tool.run("apply", file, "--yes", "--rate", "1000/s")

    assert again.code == 0, again.err
    assert list(fleet.violations()) == []


def lock_of(tool: Tool) -> Path:
    (lock,) = (tool.state / "locks").glob("*.lock")
    return lock
