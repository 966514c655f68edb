"""The guards of a plan: each refuses it with a count, and has an override of its own.

An override turns off one guard and leaves the others on. That is why there is no `--force`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from fleetpatch.errors import ExpressionError, NothingMatched, Refused
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.rules.planning.computed import ExpressionErrors

_KEYS: Final = 10
"""Keys without a row that a refusal names."""
_SHOWN: Final = 5
"""Listed objects that do not exist, of which a refusal names the first."""


def find_unselective(blocks: Sequence[TargetBlock]) -> Iterator[Finding]:
    """Find blocks without any selector, which match every object; `--all` allows them.

    Checked before the survey: with such a plan it would list the whole fleet first.
    """
    for position, block in enumerate(blocks):
        if block.is_unselective:
            yield Finding(
                ("targets", position, "selector"),
                "is missing, so every object of the kinds would match; add a selector or a field "
                "selector, or pass --all if you mean all of them",
            )


def refuse_too_many(found: int, limit: int | None) -> None:
    """Apply `guards.maxTargets` to the number of objects that matched.

    The survey calls this after each page and stops at the first excess, so `found` may be less than
    the number of all objects that match.
    """
    if limit is not None and found > limit:
        raise Refused(
            f"the plan matches more objects than guards.maxTargets allows: {found} found when the "
            f"survey stopped, {limit} allowed; narrow the selector or raise guards.maxTargets"
        )


def refuse_shared(clusters: tuple[str, str], what: str) -> None:
    """Refuse a fleet of which two entries lead to the same objects; `what` is one of them.

    One address with two projects or two tenants is allowed: their objects differ.
    """
    first, second = clusters
    raise Refused(
        f"the entries {first} and {second} of the fleet lead to the same objects: both contain "
        f"{what}; remove one of the entries, since each object would be changed twice"
    )


def refuse_clashes(count: int, first: str) -> None:
    """Apply `guards.onClash: refuse` to renamed and copied labels whose new key has a value.

    `count` is the number of such objects, `first` describes one of them.
    """
    if count:
        raise Refused(
            f"{count} of the objects already have another value for the new label ({first}); "
            "check them, and narrow the selector or leave them out with guards.onClash: skip"
        )


def refuse_errors(errors: ExpressionErrors) -> None:
    """Apply `guards.onError: refuse` to objects for which an expression has no valid value."""
    if not errors.count:
        return
    keys = errors.keys()
    shown = ", ".join(f"{table}[{key!r}] ({count})" for table, key, count in keys[:_KEYS])
    more = f" and {len(keys) - _KEYS} more" if len(keys) > _KEYS else ""
    raise ExpressionError(
        f"the expressions of the plan have no valid value for {errors.count} of the objects:"
        f" {'; '.join(errors.first)}"
        + (f"; keys without a row: {shown}{more}" if keys else "")
        + "; correct the expressions or the tables, or leave these objects out"
        " (guards.onError: skip in a plan file)",
        errors.count,
        keys,
    )


def refuse_none(found: int, looked_at: Sequence[str], missing: Sequence[str] = ()) -> None:
    """Refuse a plan that matches nothing: the cause is usually a typing mistake.

    `missing` describes listed objects that do not exist.
    """
    if found == 0 and missing:
        others = len(missing) - _SHOWN
        more = f"; and {others} more" if others > 0 else ""
        raise NothingMatched(
            f"the plan does not match any object: {'; '.join(missing[:_SHOWN])}{more}; check the"
            " names, and the clusters"
        )
    if found == 0:
        raise NothingMatched(
            "the plan does not match any object; check its names, selectors, kinds and namespaces "
            f"(looked at {', '.join(looked_at) or 'nothing: no namespace matches'})"
        )
