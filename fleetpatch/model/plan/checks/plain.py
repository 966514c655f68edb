"""Text without quotes that others read differently, and values that are missing.

Where a plan's models want text, as for a label's value, an unquoted word is text and no other
reading comes into question. Where any JSON value may stand, in the body of a patch, it must be
unmistakable. A number with a leading zero is mistakable anywhere.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.plan.checks.sections import BODIES
from fleetpatch.model.plan.nodes import MappingNode, Node, ScalarNode, SequenceNode
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.readings import disagreement
from fleetpatch.model.plan.secrecy import is_in_auth

_KEYED: Final = ("labels", "annotations")
_EMPTY: Final = "nothing stands here; write null to remove it, or give a value"
_KEY: Final = "is not text to every reader of YAML; put the key in quotes"


def check_plain(root: Node | None) -> Iterator[Finding]:
    """Find what should have been quoted or written out; nothing where the plan is not a text."""
    if root is not None:
        yield from _findings(root, ())


def _findings(node: Node, path: TreePath) -> Iterator[Finding]:
    match node:
        case ScalarNode():
            yield from _scalar(node, path)
        case SequenceNode(items=items):
            for position, item in enumerate(items):
                yield from _findings(item, (*path, position))
        case MappingNode(entries=entries):
            for key, entry in entries.items():
                here = (*path, key)
                if _is_free(here) and entry.key.is_plain and disagreement(key):
                    yield Finding(here, _KEY, of_key=True)
                yield from _findings(entry.node, here)


def _scalar(node: ScalarNode, path: TreePath) -> Iterator[Finding]:
    is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if not node.is_plain:
        return
    if _is_free(path) or (is_number and not is_in_auth(path)):
        what = disagreement(node.source)
        if what:
            yield Finding(path, what)
    if not node.source and (_is_free(path) or _is_keyed(path)):
        yield Finding(path, _EMPTY, of_key=True)


def _is_free(path: TreePath) -> bool:
    """Say whether any JSON value may stand at `path`."""
    return len(path) > 2 and path[0] == "patch" and path[1] in BODIES  # noqa: PLR2004


def _is_keyed(path: TreePath) -> bool:
    return len(path) == 3 and path[0] == "patch" and path[1] in _KEYED  # noqa: PLR2004
