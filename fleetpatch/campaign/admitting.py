"""Whether a plan may be expanded now: its window is asked before any cluster is."""

from fleetpatch.campaign.permits import Permits
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.stopping import Stop
from fleetpatch.engine.gate import Gate
from fleetpatch.engine.halt import Halt
from fleetpatch.errors import WindowClosed
from fleetpatch.model.plan.schema import Plan


def gate_of(plan: Plan, settings: Settings, stop: Stop) -> Gate | None:
    """The plan's window as a gate that stops the run when it closes; None where it has none."""
    window = plan.window
    return None if window is None else Gate(window.window(), settings.clock, stop.request)


async def admitted(plan: Plan, settings: Settings, permits: Permits, stop: Stop) -> None:
    """Return while the plan's window is open, once it was waited for if that is allowed.

    Raises WindowClosed, naming the next opening.
    """
    gate = gate_of(plan, settings, stop)
    if gate is None:
        return
    if permits.patient:
        waiting = Halt(settings.clock)
        stop.listen(lambda _cause: waiting.call())
        await gate.wait(waiting)
    seen = gate.outlook()
    if not seen.may_send:
        raise WindowClosed(f"plan {plan.name}: {gate.cause(seen)}; nothing was sent")
