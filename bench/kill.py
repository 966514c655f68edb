"""Kills runs at random instants and resumes them: nothing may be lost or done twice.

On a real control plane of its own, with 2,000 targets. `fleetpatch` is killed by SIGKILL and
resumed until each run is finished, for a merge patch, for a JSON Patch that appends to a list, and
for a list that an expression computes.
Witnesses that share no code with it then look for violations (`tests/e2e/witnesses.py`): each
selected object was stored exactly once in a run (counted by etcd), no other object was touched, the
outcomes add up, and no target was sent again after its outcome was recorded (according to the API
server's audit log, or our own proxy).

With `--answers` an intermediary forwards PATCHes and replaces their answers (429, 408, 409, 422,
403, 500, a 200 of another object), or delivers them twice, while a second writer writes to the same
objects. A server-side apply is tried as well, and in the end all runs are undone, which must leave
no change of ours. With `--apiserver` or `--etcd` that process is killed and started again, `--wire`
cuts connections as well, `--sigint` interrupts instead of killing, and `--together` starts one plan
twice at once. Exits with 1 after a violation.
"""

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.control_plane import ControlPlane, OwnControlPlane
from tests.e2e import substitutes
from tests.e2e.injected_faults import INTERRUPTED, KILLED, dying_apiserver, dying_etcd
from tests.e2e.proxies import Cut, at_random, proxy
from tests.e2e.second_writer import SecondWriter
from tests.e2e.tool import Tool
from tests.e2e.trial_fleets import APPEND, APPLY, COMPUTED, MERGE, Body, Fleet
from tests.e2e.trials import Trial, TrialResult, Witness, start_twice
from tests.e2e.witnesses import audited

CUT = 0.05
"""The share of requests for single objects that `--wire` cuts."""

REPLACED = 0.2
"""The share of PATCHes whose answers `--answers` replaces."""

PATIENT = {"budget": "100%", "maxDelay": "1s"}
"""Retry settings: the replaced answers would use up the default budget."""

_COLUMNS = ("runs", "faults", "sessions", "in doubt", "read", "PATCHes", "slowest", "violations")


def table(results: dict[str, TrialResult]) -> Iterator[str]:
    """Yield a line of figures for each body, and below them the violations."""
    yield f"{'':<20}" + "".join(f" {column:>10}" for column in _COLUMNS)
    for name, result in results.items():
        figures = (
            result.runs,
            result.faults,
            result.sessions,
            result.in_doubt,
            result.reasons["settled-by-reading"],
            result.patches,
            f"{result.slowest:.1f} s",
            len(result.violations),
        )
        yield f"{name:<20}" + "".join(f" {figure:>10}" for figure in figures)
    for name, result in results.items():
        yield from (f"{name}: {violation}" for violation in result.violations[:20])


def main() -> None:
    """Read the arguments, run the trials, print the figures; exits with 1 on a violation."""
    options = _options()
    if options.together:
        violations = start_together(options.kills or 50)
        print(f"{options.kills or 50} times together", *violations, "", sep="\n")
        sys.exit(bool(violations))
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    results = {}
    for body in (MERGE, APPEND, COMPUTED, *((APPLY,) if options.answers else ())):
        started = time.monotonic()
        results[body.name] = try_out(body, options, random.Random(seed))
        print(f"{body.name}: {time.monotonic() - started:.0f} s", flush=True)
    print(f"seed {seed}", *table(results), sep="\n")
    sys.exit(any(result.violations for result in results.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, help="default: 50, of a server 10; SIGINTs 20")
    parser.add_argument("--targets", type=int, default=2000)
    parser.add_argument("--seed", type=int, help="of all that is random; printed")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--apiserver", action="store_true", help="kill the API server")
    who.add_argument("--etcd", action="store_true", help="kill etcd")
    who.add_argument("--wire", choices=list(Cut), type=Cut, help="cut connections, too")
    who.add_argument("--answers", action="store_true", help="replace answers, too; undo all")
    who.add_argument("--sigint", action="store_true", help="interrupt instead of killing")
    who.add_argument("--together", action="store_true", help="start a plan twice at once")
    return parser.parse_args()


def try_out(body: Body, options: argparse.Namespace, generator: random.Random) -> TrialResult:
    """Run all trials with one body, on a new control plane."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = folder / "audit.log"
        plane = stack.enter_context(OwnControlPlane(audit_log=log))
        kubeconfig = plane.kubeconfig(folder / "kubeconfig", user="alice")
        tool, fleet = Tool(folder, kubeconfig), Fleet(plane, body, options.targets)
        witness: Witness = partial(audited, log, fleet.namespace)
        fault, number = KILLED, 50
        if options.apiserver:
            fault, number = dying_apiserver(plane, generator), 10
        elif options.etcd:
            fault, number = dying_etcd(plane, generator), 10
        elif options.sigint:
            fault, number = INTERRUPTED, 20
        elif options.wire:
            choose = at_random(options.wire, CUT, generator.randrange(2**32))
            wire = stack.enter_context(proxy(plane.server, plane.ca_file, choose))
            wire.redirect(kubeconfig)
            witness = wire.patches
        elif options.answers:
            return with_other_answers(plane, tool, fleet, generator, options)
        trial = Trial(tool, fleet, witness, fault, generator, span=options.targets / 2000)
        return trial.run(options.kills or number)


def with_other_answers(
    plane: ControlPlane,
    tool: Tool,
    fleet: Fleet,
    generator: random.Random,
    options: argparse.Namespace,
) -> TrialResult:
    """Run all trials behind an intermediary, with a second writer; undo all runs at the end."""
    choose = substitutes.at_random(REPLACED, generator.randrange(2**32))
    span = options.targets / 2000
    with proxy(plane.server, plane.ca_file, choose) as wire, SecondWriter(fleet, generator):
        if tool.kubeconfig is not None:
            wire.redirect(tool.kubeconfig)
        trial = Trial(tool, fleet, wire.patches, KILLED, generator, span=span)
        trial.run(options.kills or 50, retry=PATIENT)
        trial.undo_all()
        print(f"{wire.interferences()} answers replaced", flush=True)
        return trial.result


def start_together(repetitions: int) -> list[str]:
    """Start one plan twice at once, `repetitions` times; return the violations."""
    with tempfile.TemporaryDirectory() as name, OwnControlPlane() as plane:
        tool = Tool(Path(name), plane.kubeconfig(Path(name) / "kubeconfig", user="alice"))
        fleet = Fleet(plane, MERGE, 30)
        violations: list[str] = []
        for _ in range(repetitions):
            fleet.runs += 1
            file = tool.write("plan.yaml", fleet.plan(pace={"rate": "1/s", "burst": 1}))
            violations += start_twice(tool, fleet, file)
        return violations + list(fleet.violations())


if __name__ == "__main__":
    main()
