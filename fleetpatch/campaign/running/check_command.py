"""The command of a wave's check: where it is found, and what its environment says about the run."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from fleetpatch.errors import UsageError
from fleetpatch.model.plan.auth import Auth
from fleetpatch.model.plan.programs import problem_of_program
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunInfo, Summary, outcomes_as_json


def require_check_program(info: RunInfo, plan: Plan) -> None:
    """Raise UsageError if the run's check cannot be run here, before its first wave is sent."""
    command = plan.waves.check.command if plan.waves and plan.waves.check else None
    if command and (problem := problem_of_program(command[0], info.plan_folder)):
        raise UsageError(f"run {info.run}: its waves.check.command: {command[0]!r} {problem}")


def check_environment(
    summary: Summary, plan: Plan, wave: int, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment of the check after `wave`, counted from 1.

    Without the variables in which the plan's log-ins have their secrets.
    """
    secret = {name for cluster in plan.fleet for name in _variables(cluster.auth)}
    kept = {name: value for name, value in environ.items() if name not in secret}
    return kept | {
        "FLEETPATCH_RUN": summary.info.run,
        "FLEETPATCH_PLAN": summary.info.plan_name,
        "FLEETPATCH_WAVE": str(wave),
        "FLEETPATCH_RUN_FILE": str(Path(summary.run_file).absolute()),
        "FLEETPATCH_OUTCOMES": json.dumps(outcomes_as_json(summary.tally)),
    }


def _variables(auth: Auth | None) -> set[str]:
    """Return the names of the variables that a log-in reads."""
    if auth is None:
        return set()
    named = [
        auth.token and auth.token.env,
        auth.iam and auth.iam.password_env,
        auth.aksk and auth.aksk.access_key_env,
        auth.aksk and auth.aksk.secret_key_env,
    ]
    return {name for name in named if name}
