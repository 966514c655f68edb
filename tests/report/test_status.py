"""The status of a run as text and as JSON.

Covered: a live run with everything that can be said of it, a run without a session, tables of
places, reasons with samples and commands. Left out: where it comes from
(tests/campaign/test_live.py, tests/e2e/test_steering.py).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from fleetpatch.model.live import Holder, Live, ReasonSample, Status, Wave, WorkerLoad
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import RunState, Summary, Tally, Usage, WaveProgress, WindowState
from fleetpatch.model.steering import Action, Request
from fleetpatch.report.status import status_as_json, status_lines
from tests.report.samples import a_summary
from tests.values import replace

NOON = 1_800_014_400.0
HOLDER = Holder("s", "ann", "host-7", 4711, "2027-01-15T11:50:00Z", "m", "0.2")
STEERED = (
    Request("1", "2027-01-15T11:55:00Z", "bob@ops", Action.PACE, "the server is slow", rate=50.0),
)
LIVE = Live(
    rate_now=49.6,
    rate_overall=120.0,
    in_flight=7,
    limited_by={"prod-a": "the rate of 50/s that bob@ops set"},
    wave=Wave(2, 5, next_at=NOON + 300),
    ends_at=NOON + 1330,
)
SAMPLES = {Reason.REJECTED: ReasonSample("prod-a", "jobs.batch", "team-a", "etl-7", "422 too long")}


def a_run(state: RunState = RunState.RUNNING, **more: Any) -> Summary:
    tally = Tally(pending=400, applied=590, skipped=7, failed=3)
    summary = a_summary(
        state,
        tally,
        {
            Outcome.APPLIED: {Reason.PATCHED: 590},
            Outcome.SKIPPED: {Reason.DRIFTED: 7},
            Outcome.FAILED: {Reason.REJECTED: 3},
        },
        usage=Usage(patch=600, elapsed=70.0),
    )
    window = WindowState(is_open=True, timezone="Asia/Shanghai", closes_at=NOON + 3600)
    return replace(summary, window=window, steering=STEERED, planning=10.0, **more)


def live(**more: Any) -> Status:
    return Status(a_run(), HOLDER, replace(LIVE, **more), 0.4, SAMPLES)


def text(status: Status) -> str:
    return "\n".join(status_lines(status, NOON))


@pytest.mark.parametrize(
    "line",
    [
        "Run relabel-ml-teams-7f3a is being applied: 1,000 targets, 3 failed, 400 pending.",
        "Held by:  process 4711 of ann on host-7 (since 2027-01-15T11:50:00Z)",
        "Pace:     50/s now, 120/s overall, 7 in flight",
        "Limit:    prod-a: the rate of 50/s that bob@ops set",
        "Set pace: 50/s at most, in place of the plan's",
        "Steered:  pace set by bob@ops: 50/s: the server is slow (2027-01-15T11:55:00Z)",
        "Wave:     2 of 5; the next begins at about 2027-01-15T12:05:00Z",
        "Window:   open until 2027-01-15T13:00:00Z (Asia/Shanghai)",
        "Ends:     at about 2027-01-15T12:22:10Z (in 22 min 10 s)",
        "prod-a       590          0        7       3      400",
        "  failed rejected: 3",
        "    prod-a jobs.batch team-a/etl-7: 422 too long",
        "  skipped drifted: 7",
    ],
)
def test_a_live_run_shows_everything_about_itself(line: str) -> None:
    assert line in text(live()).splitlines()


def test_each_reason_names_the_command_that_goes_on_with_it() -> None:
    shown = text(live())

    assert "--failed --reason rejected" in shown
    assert "fleetpatch targets" in shown
    assert "--reason drifted" in shown


def test_a_wait_is_named_with_its_time() -> None:
    waiting = text(live(waits_for="the window is closed", wave=Wave(3, 5, starts_at=NOON + 60)))

    assert "Waits:    the window is closed" in waiting
    assert "Wave:     3 of 5 begins at 2027-01-15T12:01:00Z" in waiting


def test_an_end_that_cannot_be_known_is_not_guessed() -> None:
    assert "Ends:     not known yet" in text(live(rate_overall=0.0, ends_at=None))
    assert "Ends:     not known\n" in text(live(ends_at=None))


def test_workers_are_named_with_what_they_do() -> None:
    loads = {"gpu-2": WorkerLoad(1, 8), "gpu-1": WorkerLoad(2, 1600)}
    status = live(workers=loads)

    line = "Workers:  gpu-1 (2 clusters, 1,600 in flight), gpu-2 (1 cluster, 8 in flight)"
    assert line in text(status)
    assert status_as_json(status)["workers"]["gpu-1"] == {"clusters": 2, "inFlight": 1600}


def test_a_session_that_is_silent_is_said_to_be() -> None:
    assert ", silent for 23.0 s" in text(replace(live(), age=23.0))


def test_a_run_without_a_session_shows_its_rate_without_planning_and_its_waves() -> None:
    waves = (WaveProgress(0, 10, 10), WaveProgress(400, 600, 990))
    shown = text(Status(a_run(RunState.PAUSED, waves=waves), samples=SAMPLES))

    assert "Pace:     10/s overall" in shown
    assert "Wave:     1 of 2 done" in shown
    assert "Held by" not in shown
    assert "Ends" not in shown


def closed(opens_at: float | None) -> str:
    window = WindowState(is_open=False, timezone="UTC", opens_at=opens_at)
    return text(Status(replace(a_run(RunState.PAUSED), window=window)))


def test_a_closed_window_says_when_it_opens() -> None:
    assert "Window:   closed; it opens at 2027-01-15T13:00:00Z (UTC)" in closed(NOON + 3600)
    assert "Window:   closed, and does not open again" in closed(None)


def namespaces(number: int) -> Iterator[str]:
    tallies = {f"team-{n:02}": Tally(applied=100 - n, failed=n == 7) for n in range(number)}
    status = Status(replace(a_run(), by_namespace=tallies))
    lines = text(status).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("NAMESPACE"))
    return (line.split("  ")[0] for line in lines[first + 1 : first + 12])


def test_places_with_failures_come_first_and_the_rest_shares_a_row() -> None:
    shown = list(namespaces(20))

    assert shown[:2] == ["team-07", "team-00"]
    assert shown[10] == "and 10 more"


def test_a_single_further_place_is_named() -> None:
    assert "team-10" in list(namespaces(11))


def test_programs_get_all_of_it() -> None:
    printed = status_as_json(live())

    assert printed["holder"] == {
        "host": "host-7",
        "pid": 4711,
        "user": "ann",
        "since": "2027-01-15T11:50:00Z",
        "silentSeconds": 0.4,
    }
    assert printed["rate"] == {"now": 49.6, "overall": 120.0}
    assert printed["inFlight"] == 7
    assert printed["wave"] == {
        "number": 2,
        "of": 5,
        "startsAt": None,
        "nextAt": "2027-01-15T12:05:00Z",
    }
    assert printed["endsAt"] == "2027-01-15T12:22:10Z"
    reasons = printed["topReasons"]
    assert isinstance(reasons, list)
    assert [one["reason"] for one in reasons] == ["rejected", "drifted"]
    assert printed["pace"] == {"rate": 50.0, "concurrency": None}


def test_without_a_session_programs_get_nulls() -> None:
    printed = status_as_json(Status(a_run(RunState.PAUSED)))

    assert (printed["holder"], printed["wave"], printed["endsAt"]) == (None, None, None)
    assert printed["rate"] == {"now": 0.0, "overall": 10.0}


def test_a_cancelled_run_says_so_and_how_it_is_undone() -> None:
    run = replace(a_run(RunState.HALTED), cause="cancelled by ann@ops", cause_code="cancelled")

    shown = text(Status(run))

    assert "is cancelled: " in shown
    assert "Cause: cancelled by ann@ops (cancelled)" in shown
    assert "(puts back what the run changed)" in shown
