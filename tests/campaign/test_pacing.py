"""The pacer that a plan's pace makes. Covered: ceilings, what log and progress show.

Left out: the pace itself (tests/rules/pacing).
"""

from functools import partial

from fleetpatch.campaign.running.wiring import ceilings_of, pace_shown, pacer_of
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.steering import PaceInForce
from tests.fakes import FakeEvents, FakeProgress, VirtualClock, failure
from tests.plans import plan_from


async def test_a_pause_of_all_is_logged_and_shown_in_plain_words() -> None:
    clock, events, progress = VirtualClock(), FakeEvents(), FakeProgress()
    plan = plan_from(
        {
            "metadata": {"name": "x"},
            "targets": [{"kinds": ["jobs.batch"]}],
            "patch": {"labels": {"a": "1"}},
        }
    )
    show = pace_shown(Settings(clock=clock, progress=progress), events)
    ceilings = ceilings_of(plan.pace, PaceInForce())
    pacer = pacer_of(plan, clock, ceilings, partial(show, "prod-a"))

    while pacer.pace.until is None:
        permit = await pacer.admit(Shutdown(clock))
        assert permit is not None
        pacer.answered(permit, failure(429, "TooManyRequests", retry_after="5"))

    (line,) = events.lines
    assert (line["event"], line["cluster"], line["cause"]) == (
        "pace.changed",
        "prod-a",
        "retry-after",
    )
    assert 5 <= line["resumes_in_s"] <= 5.5
    words = "the server accepts nearly nothing, so all requests wait"
    assert progress.limits["prod-a"].startswith(words)
    # No outcome follows that would write the line.
    assert events.flushed == 1
