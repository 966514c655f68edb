"""Find single values that are ambiguous, missing, or impossible in a request.

`check_plain` looks at unquoted text. Where the models require text, for example for a label's
value, an unquoted word is text and cannot be misread. Where any JSON value is allowed, in the body
of a patch, it must be unambiguous. A number with a leading zero is ambiguous anywhere.

`check_encodable` looks for text that is not Unicode, and for numbers that JSON lacks. A plan file
contains neither, because it is read as UTF-8 and YAML's infinities are refused; but command-line
arguments and values from Python may.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from fleetpatch.model.computed import KEY
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.auth_findings import is_in_auth
from fleetpatch.model.plan.checks.patch import BODIES
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.yaml.nodes import (
    MappingEntry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
)
from fleetpatch.model.plan.yaml.scalars import ambiguity
from fleetpatch.model.text import is_unicode

_KEYED: Final = ("labels", "annotations")
_EMPTY: Final = "has no value; write null to remove it, or add a value"
_KEY: Final = "is not text to every reader of YAML; put the key in quotes"


def check_plain(root: Node | None) -> Iterator[Finding]:
    """Find plain text that must be quoted, and missing values; nothing if there is no YAML text."""
    if root is not None:
        yield from _plain(root, ())


def check_encodable(tree: Json, path: TreePath = ()) -> Iterator[Finding]:
    """Find text with lone surrogates, which stand for bytes that are not UTF-8, and NaN."""
    match tree:
        case str() if not is_unicode(tree):
            yield Finding(path, "contains bytes that are not UTF-8; write the text in UTF-8")
        case float() if not math.isfinite(tree):
            yield Finding(path, "is not a valid JSON number; use a finite one")
        case list():
            for position, item in enumerate(tree):
                yield from check_encodable(item, (*path, position))
        case dict():
            for key, value in tree.items():
                if not is_unicode(key):
                    yield Finding((*path, key), "is not UTF-8; write the key in UTF-8", of_key=True)
                yield from check_encodable(value, (*path, key))


def _plain(node: Node, path: TreePath) -> Iterator[Finding]:
    match node:
        case ScalarNode():
            yield from _scalar(node, path)
        case SequenceNode(items=items):
            for position, item in enumerate(items):
                yield from _plain(item, (*path, position))
        # The text of an expression is text, whatever it looks like.
        case MappingNode(entries=entries) if _is_any_json(path) and _is_expression(entries):
            return
        case MappingNode(entries=entries):
            for key, entry in entries.items():
                here = (*path, key)
                # A key such as `on` or `1_0` is another one to some readers.
                if _is_any_json(here) and entry.key.is_plain and ambiguity(key):
                    yield Finding(here, _KEY, of_key=True)
                yield from _plain(entry.node, here)


def _scalar(node: ScalarNode, path: TreePath) -> Iterator[Finding]:
    if not node.is_plain:
        return
    is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    # Never quote a number within `auth`: it may be a secret.
    if _is_any_json(path) or (is_number and not is_in_auth(path)):
        what = ambiguity(node.source)
        if what:
            yield Finding(path, what)
    # `team:` would remove the label team: null must be written to mean it.
    if not node.source and (_is_any_json(path) or _is_label_or_annotation(path)):
        yield Finding(path, _EMPTY, of_key=True)


def _is_expression(entries: Mapping[str, MappingEntry]) -> bool:
    value = entries[KEY].node if entries.keys() == {KEY} else None
    return isinstance(value, ScalarNode) and isinstance(value.value, str)


def _is_any_json(path: TreePath) -> bool:
    """Report whether any JSON value is allowed at `path`."""
    return len(path) > 2 and path[0] == "patch" and path[1] in BODIES  # noqa: PLR2004 - below it


def _is_label_or_annotation(path: TreePath) -> bool:
    return len(path) == 3 and path[0] == "patch" and path[1] in _KEYED  # noqa: PLR2004 - its key
