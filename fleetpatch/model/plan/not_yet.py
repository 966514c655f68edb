"""Parts of the format that this version checks but does not carry out.

Refusing them beats ignoring them: a plan that says `limits` counts on being stopped.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import mapping_at, sections

_PARTS: Final[Mapping[TreePath, str]] = MappingProxyType(
    {
        ("patch", "apply"): "apply patches",
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
            yield _finding(path, name)
    for path in sections(tree, ("fleet",)):
        if mapping_at(tree, path).get("provider") == "cci":
            yield Finding(
                (*path, "provider"),
                "clusters of provider cci are not spoken to by this version; remove the cluster",
            )


def _finding(path: TreePath, name: str) -> Finding:
    return Finding(
        path, f"{name} are not carried out by this version; remove this part", of_key=True
    )
