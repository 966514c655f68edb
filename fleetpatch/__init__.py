"""Change one thing on very many Kubernetes job objects.

The names below are the public interface, which the command line uses as well; all others are
private.

| name | does |
|---|---|
| `load_plan(path)` | reads and checks a plan file |
| `await expand(plan)` | expands it into targets; returns the summary of a new run |
| `await apply(run_file)` | carries a run out, or goes on with it; returns its summary |
| `await undo(run_file)` | plans the undo of a run; returns the summary of a new run |
| `await verify(run_file)` | reads its objects again, and keeps what it found; returns its summary |
| `summarize(run_file)` | returns the summary of a run file |
| `Settings`, `Stop` | where state is kept; how to end a run early |
| `Cause`, `CauseCode` | why a run ended early: a code and a line for people |

All errors are `FleetpatchError`s. Names are imported when they are first used, since
`fleetpatch --help` must not wait for the HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fleetpatch._version import __version__
from fleetpatch.errors import FleetpatchError

if TYPE_CHECKING:
    from fleetpatch.campaign.planning.plan import expand
    from fleetpatch.campaign.planning.undo import undo
    from fleetpatch.campaign.running.apply import apply
    from fleetpatch.campaign.settings import Settings, Stop
    from fleetpatch.campaign.verify_run import verify
    from fleetpatch.campaign.view import summarize
    from fleetpatch.model.cause import Cause, CauseCode
    from fleetpatch.model.plan.load import load_plan

__all__ = [
    "Cause",
    "CauseCode",
    "FleetpatchError",
    "Settings",
    "Stop",
    "__version__",
    "apply",
    "expand",
    "load_plan",
    "summarize",
    "undo",
    "verify",
]

_HOMES = {
    "Cause": "fleetpatch.model.cause",
    "CauseCode": "fleetpatch.model.cause",
    "Settings": "fleetpatch.campaign.settings",
    "Stop": "fleetpatch.campaign.settings",
    "apply": "fleetpatch.campaign.running.apply",
    "expand": "fleetpatch.campaign.planning.plan",
    "load_plan": "fleetpatch.model.plan.load",
    "summarize": "fleetpatch.campaign.view",
    "undo": "fleetpatch.campaign.planning.undo",
    "verify": "fleetpatch.campaign.verify_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
