"""Read a plain tree whose shape has not been checked.

All checks run, even if the shape is wrong, so that all problems are reported at once. So they must
expect any value anywhere; these functions return an empty value instead of a wrong one.
"""

from collections.abc import Iterator

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import TreePath


def mapping_at(tree: Json, path: TreePath) -> dict[str, Json]:
    """Return the mapping at `path`, or an empty one."""
    found = _at(tree, path)
    return found if isinstance(found, dict) else {}


def list_at(tree: Json, path: TreePath) -> list[Json]:
    """Return the list at `path`, or an empty one."""
    found = _at(tree, path)
    return found if isinstance(found, list) else []


def texts_at(tree: Json, path: TreePath) -> Iterator[tuple[TreePath, str]]:
    """Yield each text in the list at `path`, with its own path."""
    for position, value in enumerate(list_at(tree, path)):
        if isinstance(value, str):
            yield (*path, position), value


def sections(tree: Json, path: TreePath) -> Iterator[TreePath]:
    """Yield the path of each element of the list at `path`."""
    for position in range(len(list_at(tree, path))):
        yield (*path, position)


def _at(tree: Json, path: TreePath) -> Json:
    for step in path:
        # A step of the wrong type leads nowhere: a list has no keys, and a mapping no positions.
        match tree, step:
            case dict(), str():
                tree = tree.get(step)
            case list(), int() if step < len(tree):
                tree = tree[step]
            case _:
                return None
    return tree
