"""Check patch bodies in the shape of the object: merge, strategic merge and apply.

They are checked before a cluster is asked, because a server would refuse them for each object, or
accept them and do something else than was meant.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from fleetpatch.model.fields import ABSENT, Json, look_up
from fleetpatch.model.plan.checks.patch import DOCUMENTS
from fleetpatch.model.plan.checks.server_fields import (
    SHARED_MAPS,
    TYPE_META,
    UNPATCHABLE,
    WHOLE_MAP,
)
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at

_DIRECTIVE: Final = "$patch"
# Directives that change parts of a list. The values before the change cannot be restored from them.
_LIST_DIRECTIVES: Final = ("$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys")
_MERGING: Final = "merge"


def check_documents(tree: Json) -> Iterator[Finding]:
    """Find fields that a body must not contain, and bodies that would change nothing."""
    patch = mapping_at(tree, ("patch",))
    for kind in DOCUMENTS:
        body, path = patch.get(kind), ("patch", kind)
        if not isinstance(body, dict):
            continue
        yield from _effect(body, path)
        yield from _unpatchable(body, path)
        yield from _shared_maps(body, path)
        yield from _directives(body, path, strategic=kind == "strategic")
        if kind == "apply":
            yield from _nulls(body, path)


def _effect(body: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    # A frequent mistake: `merge: {op: replace, path: ...}`.
    if "op" in body and "path" in body:
        yield Finding(
            path,
            "looks like a JSON Patch operation, and a server would ignore it here; write"
            " 'json: [{op: ..., path: ...}]'",
            of_key=True,
        )
    elif not any(_has_content(value) for key, value in body.items() if key not in TYPE_META):
        yield Finding(path, "changes nothing; add the fields to change", of_key=True)


def _has_content(value: Json) -> bool:
    return not isinstance(value, dict) or any(map(_has_content, value.values()))


def _unpatchable(body: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    for field, what in UNPATCHABLE.items():
        if look_up(body, field) is not ABSENT:
            yield Finding((*path, *field), what, of_key=True)


def _shared_maps(body: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    for field in SHARED_MAPS:
        value = look_up(body, field)
        # Null would remove the whole map.
        if value is None:
            yield Finding((*path, *field), WHOLE_MAP, of_key=True)
        elif value is not ABSENT and not isinstance(value, Mapping):
            yield Finding((*path, *field), "must be a mapping of keys to values")


def _directives(node: Json, path: TreePath, *, strategic: bool) -> Iterator[Finding]:
    for key, value in mapping_at(node, ()).items():
        here = (*path, key)
        if key == _DIRECTIVE or key.startswith(_LIST_DIRECTIVES):
            yield from _directive(key, value, here, strategic=strategic)
        yield from _directives(value, here, strategic=strategic)
    for position, entry in enumerate(list_at(node, ())):
        yield from _directives(entry, (*path, position), strategic=strategic)


def _directive(key: str, value: Json, path: TreePath, *, strategic: bool) -> Iterator[Finding]:
    if not strategic:
        what = f"{key} is for strategic patches; here a server would store it as a field"
        yield Finding(path, what, of_key=True)
    elif key != _DIRECTIVE:
        what = f"{key} cannot be undone; remove it, or replace the whole list"
        yield Finding(path, what, of_key=True)
    # The directive applies to the map around it: the whole object, or one of the shared maps.
    elif path[2:-1] in {(), *SHARED_MAPS} and value != _MERGING:
        yield Finding(path, WHOLE_MAP, of_key=True)


def _nulls(node: Json, path: TreePath) -> Iterator[Finding]:
    """Find nulls; `_shared_maps` finds those of whole maps."""
    if node is None and path[2:] not in SHARED_MAPS:
        what = "cannot be null; an apply removes a field if the plan leaves it out"
        yield Finding(path, what, of_key=True)
    for key, value in mapping_at(node, ()).items():
        yield from _nulls(value, (*path, key))
    for position, entry in enumerate(list_at(node, ())):
        yield from _nulls(entry, (*path, position))
