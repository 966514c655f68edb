"""Values that a request cannot carry: text that is no Unicode, and numbers that JSON lacks.

A plan file holds none, for its text is read as UTF-8 and YAML's infinities are refused; arguments
of the command line and values from Python may.
"""

import math
from collections.abc import Iterator

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.text import is_unicode


def check_texts(tree: Json, path: TreePath = ()) -> Iterator[Finding]:
    """Find text with lone surrogates, which stand for bytes that are not UTF-8, and NaN."""
    match tree:
        case str() if not is_unicode(tree):
            yield Finding(path, "holds bytes that are not UTF-8; write the text in UTF-8")
        case float() if not math.isfinite(tree):
            yield Finding(path, "is not a number that JSON has; give another one")
        case list():
            for position, item in enumerate(tree):
                yield from check_texts(item, (*path, position))
        case dict():
            for key, value in tree.items():
                if not is_unicode(key):
                    yield Finding((*path, key), "is not UTF-8; write the key in UTF-8", of_key=True)
                yield from check_texts(value, (*path, key))
