"""The expressions of a plan as text, in the form that evaluates them."""

from msgspec.structs import replace

from fleetpatch.cel.program import Texts
from fleetpatch.model.change import BodyPatch
from fleetpatch.model.fields import Path
from fleetpatch.model.plan.checks.patch import BODIES
from fleetpatch.model.plan.problems import show_path
from fleetpatch.model.plan.schema import Plan


def value_paths(plan: Plan) -> list[Path]:
    """Return the paths of the plan's computed values, in the order of `Texts.values`."""
    return sorted(plan.change().expressions)


def where_of(plan: Plan) -> Texts:
    """Return the expressions of a plan that are evaluated again, without those of the patch."""
    return replace(texts_of(plan), values=[], places=[])


def texts_of(plan: Plan) -> Texts:
    """Return the expressions of a plan."""
    change = plan.change()
    paths = value_paths(plan)
    if isinstance(change, BodyPatch):
        kind = next(name for name, one in BODIES.items() if one is change.type)
        places = [show_path(("patch", kind, *path)) for path in paths]
    else:
        # In the object a label is below `metadata`, in the plan below `patch`.
        places = [show_path(("patch", *path[1:])) for path in paths]
    return Texts(
        variables=plan.variables,
        where={at: block.where for at, block in enumerate(plan.targets) if block.where},
        values=[change.expressions[path].text for path in paths],
        places=places,
    )
