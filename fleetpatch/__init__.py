"""Change one thing on very many Kubernetes job objects.

What is offered here is what the command line itself calls; everything else is private.

| name | does |
|---|---|
| `load_plan(path)` | reads and checks a plan file |
| `await expand(plan)` | expands it into targets; gives the summary of a new run |
| `await apply(run_file)` | carries a run out, or goes on with it; gives its summary |
| `await undo(run_file)` | plans the way back of a run; gives the summary of a new run |
| `summarize(run_file)` | folds a run file into its summary |
| `Settings`, `Stop` | where state is kept; how to end a run early |

All errors are `FleetpatchError`s. Names are loaded when they are first used: the HTTP client and
the rest take a while, and `fleetpatch --help` needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fleetpatch._version import __version__
from fleetpatch.errors import FleetpatchError

if TYPE_CHECKING:
    from fleetpatch.campaign.apply import apply
    from fleetpatch.campaign.plan import expand
    from fleetpatch.campaign.settings import Settings, Stop
    from fleetpatch.campaign.undo import undo
    from fleetpatch.campaign.view import summarize
    from fleetpatch.model.plan.load import load_plan

__all__ = [
    "FleetpatchError",
    "Settings",
    "Stop",
    "__version__",
    "apply",
    "expand",
    "load_plan",
    "summarize",
    "undo",
]

_HOMES = {
    "Settings": "fleetpatch.campaign.settings",
    "Stop": "fleetpatch.campaign.settings",
    "apply": "fleetpatch.campaign.apply",
    "expand": "fleetpatch.campaign.plan",
    "load_plan": "fleetpatch.model.plan.load",
    "summarize": "fleetpatch.campaign.view",
    "undo": "fleetpatch.campaign.undo",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
