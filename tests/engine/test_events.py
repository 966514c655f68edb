"""The log events and their documentation agree.

Covered: each function of engine/events.py emits events that docs/reference.md ("Log") documents,
with just the fields documented; each documented event is emitted; no other module emits any; the
levels. Left out: how a line is written (tests/report/test_logs.py).
"""

import ast
import re
from collections.abc import Callable, Iterator
from inspect import getmembers, isfunction
from pathlib import Path

import pytest

from fleetpatch.engine import events
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.errors import LogError
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.run import ClusterInfo, RunInfo, RunState, Summary, Tally, Usage
from fleetpatch.model.steering import Action, Request
from fleetpatch.model.target import TargetId
from fleetpatch.model.verification import Verification
from fleetpatch.rules.answers.verdicts import Verdict
from tests.engine.scripted import TARGET
from tests.fakes import FakeEvents

ROOT = Path(__file__).parents[2]
INFO = RunInfo("r", "p", "d", "{}", "now", "me@here", "1", (ClusterInfo("a", "https://a"),))
RETRIED = RetryRecord(TARGET, 1, 503, Verdict.RETRY, "busy", 0.5)
SLOW = Pace(4, 10.0, PaceCause.LATENCY)
PAUSED = Pace(4, 10.0, PaceCause.RETRY_AFTER, until=7.0)


def summary_in(state: RunState) -> Summary:
    return Summary(INFO, "r.run", state, "", Tally(applied=1), {}, {}, {}, {}, Usage())


def settlement_with(reason: Reason) -> Settlement:
    return Settlement(TargetId(1), reason, 200, 1, 0, 1.0, detail="more to say")


def settle_with_each_reason(log: FakeEvents) -> None:
    events.target_settled(log, [(TARGET, settlement_with(reason)) for reason in Reason])


SAMPLES: dict[str, Callable[[FakeEvents], None]] = {
    "plan_expanded": lambda log: events.plan_expanded(log, summary_in(RunState.PLANNED)),
    "run_started": lambda log: events.run_started(
        log, INFO, by="me@here", pid=1, version="1", servers={"a": "https://a"}
    ),
    "apply_refused": lambda log: events.apply_refused(
        log, plan="p.yaml", cause=Cause(CauseCode.WINDOW_CLOSED, "closed"), exit_code=5
    ),
    "run_finished": lambda log: events.run_finished(log, summary_in(RunState.FINISHED)),
    "run_steered": lambda log: events.run_steered(log, Request("i", "t", "b", Action.PAUSE)),
    "control_failed": lambda log: events.control_failed(log, "x"),
    "metrics_failed": lambda log: events.metrics_failed(log, "x"),
    "cluster_insecure": lambda log: events.cluster_insecure(log, "a", "https://a"),
    "kubeconfig_warning": lambda log: events.kubeconfig_warning(log, "a", "x"),
    "server_warning": lambda log: events.server_warning(log, "a", "x"),
    "pace_changed": lambda log: events.pace_changed(log, "a", SLOW, PAUSED, 5.0),
    "lease_awaited": lambda log: events.lease_awaited(log, "l", holder="h", since="s"),
    "lease_acquired": lambda log: events.lease_acquired(log, "l", holder="h", former=""),
    "lease_released": lambda log: events.lease_released(log, "l"),
    "lease_not_renewed": lambda log: events.lease_not_renewed(log, "l", "x"),
    "lease_lost": lambda log: events.lease_lost(log, "l", "x"),
    "worker_joined": lambda log: events.worker_joined(log, "0", address="tls://a:1"),
    "worker_refused": lambda log: events.worker_refused(log, "0", detail="x"),
    "worker_lost": lambda log: events.worker_lost(log, "0", detail="x", clusters=2),
    "shard_started": lambda log: events.shard_started(log, "a", worker="0"),
    "window_awaited": lambda log: events.window_awaited(log, "x"),
    "wave_started": lambda log: events.wave_started(log, wave=1, of=2, targets=3),
    "wave_paused": lambda log: events.wave_paused(log, wave=1, of=2, until="u"),
    "verification_awaited": lambda log: events.verification_awaited(log, wave=1, until="u"),
    "run_verified": lambda log: events.run_verified(log, Verification(1.0, 2.0, "b", {})),
    "wave_promoted": lambda log: events.wave_promoted(log, wave=1, of=2),
    "attempt_retried": lambda log: events.attempt_retried(log, RETRIED),
    "target_settled": settle_with_each_reason,
}


def documented() -> dict[str, set[str]]:
    """Return the fields of each event, from the table in docs/reference.md."""
    text = (ROOT / "docs/reference.md").read_text()
    section = text[text.index("\n## Log\n") :]
    table = section[section.index("| event |") :].partition("\n\n")[0]
    fields_by_event = {}
    for row in table.splitlines()[2:]:
        names, fields, _ = row.strip("|").split(" | ", 2)
        for name in re.findall(r"`([^`]+)`", names):
            fields_by_event[name] = set(re.findall(r"`([^`]+)`", fields))
    return fields_by_event


def emitted() -> dict[str, set[str]]:
    log = FakeEvents()
    for sample in SAMPLES.values():
        sample(log)
    fields_by_event: dict[str, set[str]] = {}
    for line in log.lines:
        fields_by_event.setdefault(line["event"], set()).update(line.keys() - {"level", "event"})
    return fields_by_event


def test_each_event_and_each_field_is_documented_and_no_other() -> None:
    assert emitted() == documented()


def test_each_function_has_a_sample_here() -> None:
    functions = {
        name
        for name, function in getmembers(events, isfunction)
        if function.__module__ == events.__name__ and not name.startswith("_")
    }
    assert set(SAMPLES) == functions


def test_a_function_is_named_after_its_event() -> None:
    for name, sample in SAMPLES.items():
        log = FakeEvents()
        sample(log)
        said = {re.sub(r"[.-]", "_", line["event"]) for line in log.lines}
        outcomes = {f"target_{outcome}" for outcome in Outcome}
        assert said == (outcomes if name == "target_settled" else {name})


def log_calls(module: Path) -> Iterator[str]:
    """Return the literal event names that a module writes."""
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="info" | "warning"),
                args=[ast.Constant(value=str(event)), *_],
            ):
                yield event


def test_no_other_module_emits_an_event() -> None:
    package = ROOT / "fleetpatch"
    elsewhere = {
        f"{module.relative_to(package)}: {event}"
        for module in package.rglob("*.py")
        if module != package / "engine/events.py"
        for event in log_calls(module)
    }
    assert elsewhere == set()


@pytest.mark.parametrize("state", RunState)
def test_a_run_that_does_not_finish_is_a_warning(state: RunState) -> None:
    log = FakeEvents()

    events.run_finished(log, summary_in(state))

    (line,) = log.lines
    assert line["level"] == ("info" if state is RunState.FINISHED else "warning")


@pytest.mark.parametrize("reason", Reason)
def test_a_target_that_failed_is_a_warning(reason: Reason) -> None:
    log = FakeEvents()

    events.target_settled(log, [(TARGET, settlement_with(reason))])

    (line,) = log.lines
    assert line["level"] == ("warning" if OUTCOME_OF[reason] is Outcome.FAILED else "info")


def test_a_log_that_fails_is_reported_once_and_raises_nothing() -> None:
    def broken(_line: dict[str, object]) -> None:
        raise LogError("no space left")

    causes: list[Cause] = []
    log = events.FailsafeLog(FakeEvents(on_event=broken), causes.append)

    events.lease_released(log, "l")
    events.lease_released(log, "l")

    assert causes == [Cause(CauseCode.LOG_FAILED, "no space left")]


def test_lines_that_nothing_else_has_flushed_are_flushed_when_it_is_due() -> None:
    written = FakeEvents()
    log = events.FailsafeLog(written, lambda _cause: None)

    events.attempt_retried(log, RETRIED)
    assert written.flushed == 0
    log.flush_if_due()
    assert written.flushed == 1

    # What outcomes flush many times a second is not flushed more often.
    log.flush()
    events.attempt_retried(log, RETRIED)
    log.flush_if_due()
    assert written.flushed == 1
    log.flush_if_due()
    assert written.flushed == 2
