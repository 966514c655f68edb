"""Checks plan files without a cluster, for people and for CI (`validate -o json`)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fleetpatch.errors import PlanError, UsageError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.load import PlanFile, load_plan
from fleetpatch.model.plan.problems import Problem


class Checked(msgspec.Struct, frozen=True):
    """A plan file that was checked; `plan` is None if it has problems."""

    file: str
    plan: PlanFile | None
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()


def check(path: Path) -> Checked:
    """Check one plan file. A file that cannot be read has one problem, without a place."""
    try:
        plan = load_plan(path)
    except PlanError as error:
        problems = [one for one in error.problems if isinstance(one, Problem)]
        return Checked(str(path), None, problems)
    except UsageError as error:
        return Checked(str(path), None, [Problem(str(path), str(error).removeprefix(f"{path}: "))])
    return Checked(str(path), plan, warnings=plan.warnings(datetime.now(UTC)))


def json_of(checked: Checked) -> dict[str, Json]:
    """Return an object of `validate --output json`; an interface (docs/reference.md)."""
    plan = checked.plan
    return {
        "file": checked.file,
        "valid": plan is not None,
        "plan": None if plan is None else {"name": plan.plan.name, "digest": plan.digest},
        "problems": [_problem(one) for one in checked.problems],
        "warnings": [_problem(one) for one in checked.warnings],
    }


def _problem(problem: Problem) -> dict[str, Json]:
    place = problem.place
    return {
        "file": problem.file,
        "line": place and place.line,
        "column": place and place.column,
        "message": problem.what.removeprefix("warning: "),
    }
