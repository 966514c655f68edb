"""Where a plan may have an expression (`{cel: ...}`), and where it may not.

Other checks see a placeholder in its place: text that is valid for a label. So they find a whole
map of labels or a server's own field that an expression would write.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.computed import expressions_in, replaced
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.checks.patch import DOCUMENTS
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.tree import list_at, mapping_at, sections

_PLACEHOLDER: Final = "computed"


def with_placeholders(tree: Json) -> Json:
    """Return the tree of a plan with a text in place of each expression in a patch body."""
    patch = mapping_at(tree, ("patch",))
    bodies = {
        kind: replaced(patch[kind], lambda _: _PLACEHOLDER)
        for kind in DOCUMENTS
        if isinstance(patch.get(kind), dict) and kind in patch
    }
    return {**tree, "patch": {**patch, **bodies}} if bodies else tree


def check_computed(tree: Json) -> Iterator[Finding]:
    """Find expressions at places that have none, and keys that only expressions need."""
    patch = mapping_at(tree, ("patch",))
    for kind in DOCUMENTS:
        if () in expressions_in(patch.get(kind)):
            what = "is one expression; write the fields, and {cel: ...} as the value of some"
            yield Finding(("patch", kind), what, of_key=True)
    for position, operation in enumerate(list_at(tree, ("patch", "json"))):
        for path in expressions_in(operation):
            what = "a JSON Patch takes no expressions ({cel: ...}); use merge, strategic or apply"
            yield Finding(("patch", "json", position, *path), what)
    has_expressions = _has_expressions(tree)
    if mapping_at(tree, ("variables",)) and not has_expressions:
        what = "is read by no expression; add where or {cel: ...}, or remove it"
        yield Finding(("variables",), what, of_key=True)
    if "onError" in mapping_at(tree, ("guards",)) and not has_expressions:
        what = "is for plans with expressions (where, {cel: ...}); remove it"
        yield Finding(("guards", "onError"), what, of_key=True)


def _has_expressions(tree: Json) -> bool:
    if any("where" in mapping_at(tree, block) for block in sections(tree, ("targets",))):
        return True
    patch = mapping_at(tree, ("patch",))
    maps = (mapping_at(patch, (part,)).values() for part in ("labels", "annotations"))
    return any(expressions_in(value) for values in maps for value in values) or any(
        expressions_in(patch.get(kind)) for kind in DOCUMENTS
    )
