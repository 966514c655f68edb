"""The maintenance window of a session that has not sent anything yet."""

from fleetpatch.campaign.settings import ApplyOptions, Settings
from fleetpatch.engine import events
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.window import WindowGuard
from fleetpatch.model.cause import Cause
from fleetpatch.model.ports import Events


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
