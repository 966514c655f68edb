"""Find values of a plan that contradict each other, outside of its fleet and its patch."""

from collections.abc import Iterator

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections, texts_at
from fleetpatch.model.plan.waves import check_waves
from fleetpatch.model.plan.window import check_window


def check_sections(tree: Json) -> Iterator[Finding]:
    """Find values of one section that contradict each other, and repeated ones."""
    for block in sections(tree, ("targets",)):
        yield from _repeated(tree, (*block, "kinds"))
        yield from _repeated(tree, (*block, "namespaces"))
        yield from _repeated(tree, (*block, "names"))
        yield from _repeated(tree, (*block, "dependents"))
    yield from _pace(tree)
    for retry in (("retry",), *((*path, "retry") for path in sections(tree, ("fleet",)))):
        yield from _statuses(tree, (*retry, "statuses"))
    yield from _repeated(tree, ("guards", "allowKeys"))
    yield from check_window(tree)
    yield from check_waves(tree)
    if mapping_at(tree, ()).get("limits") == {}:
        yield Finding(("limits",), "contains no limit; add maxFailures or deadline, or remove it")


def _pace(tree: Json) -> Iterator[Finding]:
    pace = mapping_at(tree, ("pace",))
    if "burst" in pace and "rate" not in pace:
        yield Finding(
            ("pace", "burst"), "has no effect without a rate; add one, or remove it", of_key=True
        )


def _statuses(tree: Json, path: TreePath) -> Iterator[Finding]:
    statuses = list_at(tree, path)
    # Compared with `in` and not in a set: an entry may be of any type, also unhashable.
    for position, status in enumerate(statuses):
        if status in statuses[:position]:
            yield Finding((*path, position), f"{status} is listed twice; remove one")


def _repeated(tree: Json, path: TreePath) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, text in texts_at(tree, path):
        if text in seen:
            yield Finding(place, f"{text!r} is listed twice; remove one")
        seen.add(text)
