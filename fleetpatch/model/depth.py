"""How deep a document may be nested.

The rules walk documents recursively, and Python bounds recursion. A real API server stores lists
nested thousands of levels deep; objects of job systems have fewer than thirty. One limit for all
rules makes the result independent of where in the program a document is looked at.
"""

from typing import Final

from fleetpatch.model.fields import Json

MAX_DEPTH: Final = 200
"""Maps and lists within each other, the document itself included."""

TOO_DEEP: Final = f"the object is nested more than {MAX_DEPTH} levels deep"


def is_deeper(value: Json, levels: int) -> bool:
    """Tell whether maps and lists are nested in `value` more than `levels` deep.

    It works level by level, so the value's own depth does not matter.
    """
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return bool(level)
