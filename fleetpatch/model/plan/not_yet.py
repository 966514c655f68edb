"""Parts of the format that this version checks but does not carry out.

Refusing them beats ignoring them: a plan that says `limits` counts on being stopped.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import mapping_at

_PARTS: Final[Mapping[TreePath, str]] = MappingProxyType(
    {
        ("retry", "budget"): "retry budgets",
        ("limits",): "limits",
        ("waves",): "waves",
        ("window",): "windows",
    }
)


def not_yet(tree: Json) -> Iterator[Finding]:
    """Find what a plan asks for, in so many words, that this version does not do."""
    for path, name in _PARTS.items():
        if path[-1] in mapping_at(tree, path[:-1]):
            what = f"{name} are not carried out by this version; remove this part"
            yield Finding(path, what, of_key=True)
