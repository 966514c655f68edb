"""The maintenance window before anything is sent: of a plan to be carried out, and of a session."""

from fleetpatch.campaign.running.wiring import window_guard_of
from fleetpatch.campaign.settings import ApplyOptions, Settings, Stop
from fleetpatch.engine import events
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.window import WindowGuard
from fleetpatch.errors import WindowClosed
from fleetpatch.model.cause import Cause
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Events


async def require_open_window(
    plan: Plan, settings: Settings, options: ApplyOptions, stop: Stop
) -> None:
    """Return if the plan's window is open, after a wait for it if `options` allow that.

    For callers that apply a plan at once; they check it before `expand`. Raises WindowClosed with
    the next opening.
    """
    guard = window_guard_of(plan, settings, stop)
    if guard is None:
        return
    seen = guard.status()
    if options.wait_for_window and not seen.may_send:
        # The run is not planned yet, so no log and no progress of it can show this.
        settings.warn(f"plan {plan.name}: {guard.cause(seen).text}; waiting until then")
        shutdown = Shutdown(settings.clock)
        stop.listen(lambda _cause: shutdown.request())
        await guard.wait(shutdown)
        seen = guard.status()
    if not seen.may_send:
        raise WindowClosed(f"plan {plan.name}: {guard.cause(seen)}; nothing was sent")


async def closed_window(
    window: WindowGuard,
    options: ApplyOptions,
    settings: Settings,
    log: Events,
    shutdown: Shutdown,
) -> Cause | None:
    """Return why the session cannot begin, or None if the window is open.

    If the options allow that, it first waits until the window opens or the shutdown comes.
    """
    if options.wait_for_window and not window.status().may_send:
        text = window.cause(window.status()).text
        events.window_awaited(log, text)
        settings.progress.limited("", text)
        await window.wait(shutdown)
        settings.progress.limited("", "")
    # Asked once: the window may open between two questions.
    status = window.status()
    if status.may_send:
        return None
    cause = window.cause(status)
    if options.promote:
        more = "; --promote had no effect; repeat it when the window opens"
        return Cause(cause.code, cause.text + more)
    return cause
