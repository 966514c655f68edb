"""Evaluates the expressions of a plan while it is expanded."""

from fleetpatch.errors import UsageError
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Expressions


def expressions_of(plan: Plan) -> Expressions | None:
    """Return what evaluates the plan's expressions; None if it has none. Raises UsageError."""
    if not plan.has_expressions:
        return None
    raise UsageError(
        f"plan {plan.name} has expressions (where, or {{cel: ...}}), which this version reads and"
        " does not evaluate yet; write literal values and selectors"
    )
