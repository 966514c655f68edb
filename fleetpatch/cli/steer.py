"""Shared by the verbs that steer a run: pause, cancel and pace."""

import json
from pathlib import Path

from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.options import Output
from fleetpatch.cli.streams import write_line
from fleetpatch.model.steering import Action


def steer(run: str, action: Action, output: Output, state_dir: Path | None, **more: object) -> None:
    """Have the run follow a request, and print what was changed; `more` are fields of a Request."""
    load_libraries()

    from fleetpatch.campaign.running.requests import ask
    from fleetpatch.campaign.running.steering import new_request
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli.choose_run import to_steer
    from fleetpatch.report.wording import command, steered

    settings = Settings(state_dir=state_dir)
    path = to_steer(find_run(settings.runs, run), action)
    request = new_request(action, **more)
    followed = ask(path, request, settings)
    if output is Output.JSON:
        write_line(
            json.dumps(
                {
                    "run": path.stem,
                    "runFile": str(path),
                    "action": action,
                    "changed": followed.changed,
                    "by": request.by,
                    "at": request.at,
                    "reason": request.reason,
                    "rate": request.rate,
                    "concurrency": request.concurrency,
                    "reset": request.reset,
                }
            )
        )
        return
    if not followed.changed:
        write_line(
            f"Nothing was changed: {path.stem} is {followed.state} already,"
            f" see {command('status', path.stem)}"
        )
        return
    where = f"; {followed.holder} follows" if followed.holder else ""
    write_line(f"{path.stem}: {steered(request)}{where}.")
