"""Asks a run to pause, to end, or to change its pace; from any process that can write beside it.

A live session is asked through the control file, wherever it runs, until its heartbeat says that it
has followed the request. A run without a session is changed in its run file, under the file's lock.
The lock of the plan is not needed, since nothing is sent: another run of the plan may be live.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

from fleetpatch.campaign.running.log import log_latest_outcomes, open_log_of
from fleetpatch.campaign.running.open_run import open_alone
from fleetpatch.campaign.running.steering import cause_of
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine import events
from fleetpatch.errors import Locked, SurroundingsError, UsageError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import control, heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeat
from fleetpatch.model.live import Holder
from fleetpatch.model.run import RunState
from fleetpatch.model.steering import Action, Request
from fleetpatch.model.text import clean

TIMEOUT: Final = 10.0
"""Seconds to wait for the answer of a session, which follows a request within two."""
_POLL_INTERVAL: Final = 0.1

_STATE_AFTER: Final = {Action.PAUSE: RunState.PAUSED, Action.CANCEL: RunState.HALTED}


class Followed(msgspec.Struct, frozen=True):
    """How a request was followed: by a session (`holder`), or in the run file (None).

    `changed` is False where the run was not live already, and `state` is what it is then.
    """

    holder: Holder | None = None
    changed: bool = True
    state: str = ""


def ask(
    run_file: Path, request: Request, settings: Settings, *, timeout: float = TIMEOUT
) -> Followed:
    """Have a request followed.

    Raises UsageError where the state of the run does not allow it, SurroundingsError if a session
    does not answer (the request takes effect when it continues), and as `open_alone`.
    """
    until = time.monotonic() + timeout
    while True:
        beat = heartbeat.live(run_file)
        if beat is None:
            try:
                return _without_session(run_file, request, settings)
            except Locked:
                # A session begins, or ends, at this moment; or its process is suspended.
                control.add(run_file, request)
        elif request.id in beat.followed:
            return Followed(beat.holder)
        else:
            control.add(run_file, _addressed(request, beat))
        if time.monotonic() > until:
            raise SurroundingsError(_unanswered(run_file, beat, timeout))
        time.sleep(_POLL_INTERVAL)


def _addressed(request: Request, beat: Heartbeat) -> Request:
    """Return a request as it is sent to a session: a pause is for no later one."""
    if request.action is not Action.PAUSE:
        return request
    return msgspec.structs.replace(request, session=beat.holder.session)


def _unanswered(run_file: Path, beat: Heartbeat | None, timeout: float) -> str:
    who = str(beat.holder) if beat else "the process that uses the run"
    return (
        f"{clean(str(run_file))}: requested, but {who} has not answered within {timeout:.0f} s;"
        " the request takes effect when that process continues"
    )


def _without_session(run_file: Path, request: Request, settings: Settings) -> Followed:
    with open_alone(run_file, settings) as journal:
        if any(one.id == request.id for one in journal.steering):
            return Followed()  # by a session that has ended since
        if not _may_change(journal, request):
            state = "cancelled" if journal.is_cancelled else journal.state.value
            return Followed(changed=False, state=state)
        crashed = journal.state is RunState.RUNNING
        # Noted last: a request that is noted counts as followed, also after a crash in between.
        if after := _STATE_AFTER.get(request.action):
            journal.set_state(after, cause_of(request))
        journal.note_steering(request)
        with open_log_of(run_file, journal.info.run, settings) as log:
            if crashed:
                log_latest_outcomes(log, journal)
            events.run_steered(log, request)
        return Followed()


def _may_change(journal: RunFile, request: Request) -> bool:
    """Return whether a request changes a run without a session. Raises UsageError."""
    run, state = journal.info.run, journal.state
    if state is RunState.FINISHED:
        raise UsageError(f"{run}: the run is finished, so there is nothing to {request.action}")
    match request.action:
        case Action.PAUSE if state is RunState.PLANNED:
            raise UsageError(
                f"{run}: the run has not begun, so there is nothing to pause; `fleetpatch cancel"
                f" {run}` ends it"
            )
        case Action.PAUSE:
            # A run whose process was killed is still recorded as running.
            return state is RunState.RUNNING
        case Action.CANCEL:
            return not journal.is_cancelled
        case _:
            return True
