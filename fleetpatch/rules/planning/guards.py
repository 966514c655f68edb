"""Guards: named refusals, each with its counts and an override that concerns no other guard."""

from collections.abc import Sequence

from fleetpatch.errors import NothingMatched, Refused
from fleetpatch.model.selectors.field_selector import FieldSelector
from fleetpatch.model.selectors.label_selector import Selector


def refuse_unselective(selectors: Sequence[Selector | FieldSelector], *, everything: bool) -> None:
    """Refuse an empty selector, which matches every object, unless `everything` is wanted."""
    for position, selector in enumerate(selectors):
        if selector.is_empty and not everything:
            raise Refused(
                f"targets[{position}] has no selector and would match every object of its kinds; "
                "add a selector or a field selector, or say --all if you mean all of them"
            )


def refuse_too_many(found: int, limit: int | None) -> None:
    """Apply `guards.maxTargets` to the number of all objects that matched."""
    if limit is not None and found > limit:
        raise Refused(
            f"the plan matches more objects than guards.maxTargets allows: {found} found when the "
            f"survey stopped, {limit} allowed; narrow the selector or raise guards.maxTargets"
        )


def refuse_clashes(count: int, first: str) -> None:
    """`guards.onClash: refuse`: a label cannot be renamed or copied where the new key is taken."""
    if count:
        raise Refused(
            f"{count} of the objects have another value under the new label already ({first}); "
            "look at them, narrow the selector, or let them be left out with guards.onClash: skip"
        )


def refuse_none(found: int, looked_at: Sequence[str]) -> None:
    """Refuse a plan that matches nothing, which is most often a typing mistake."""
    if found == 0:
        raise NothingMatched(
            "the plan matches no object at all; check its selector, kinds and namespaces "
            f"(looked at {', '.join(looked_at) or 'nothing: no namespace matches'})"
        )
