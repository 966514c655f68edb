"""Check the parts of a patch: which can be combined, and how large a body may be."""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.auth import MAX_SIGNED_BODY_BYTES
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.tree import mapping_at, sections

MOVES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "renameLabels": "labels",
        "copyLabels": "labels",
        "renameAnnotations": "annotations",
        "copyAnnotations": "annotations",
    }
)
"""The parts that move or copy each object's own value to another key, and the map of the keys."""

METADATA_PARTS: Final = ("labels", "annotations", *MOVES)
"""The parts of a patch that can be combined; they are sent as one merge patch."""

DOCUMENTS: Final = MappingProxyType(
    {
        "merge": PatchType.MERGE,
        "strategic": PatchType.STRATEGIC,
        "apply": PatchType.APPLY,
    }
)
"""The types of patch whose body is a document in the shape of the object."""

BODIES: Final = MappingProxyType({**DOCUMENTS, "json": PatchType.JSON})
"""All types of patch with a body; each excludes all other parts."""

OPTIONS: Final = ("fieldManager", "force", "pretty")
"""Query parameters of the request."""


def check_parts(tree: Json) -> Iterator[Finding]:
    """Find parts of the patch that cannot be combined, and a patch without any."""
    patch = mapping_at(tree, ("patch",))
    # A patch that is not a mapping has a finding of its own.
    if isinstance(mapping_at(tree, ()).get("patch"), dict) and all(key in OPTIONS for key in patch):
        what = f"changes nothing; add {', '.join(METADATA_PARTS)}, or one of {', '.join(BODIES)}"
        yield Finding(("patch",), what)
    first = next((key for key in patch if key in METADATA_PARTS), None)
    for key in patch:
        if key not in BODIES:
            continue
        if first:
            what = f"cannot be combined with {first}; make two plans"
            yield Finding(("patch", key), what, of_key=True)
        first = first or key
    if patch.get("force") is True and "apply" not in patch:
        yield Finding(("patch", "force"), "is for apply only; remove it", of_key=True)


def check_existing(tree: Json) -> Iterator[Finding]:
    """Find `guards.onExisting: skip` beside a patch for which it has no meaning."""
    if mapping_at(tree, ("guards",)).get("onExisting") != "skip":
        return
    patch = mapping_at(tree, ("patch",))
    if patch and "labels" not in patch and "annotations" not in patch:
        what = (
            "is for patch.labels and patch.annotations, and the patch has neither; remove it"
            " (for renamed and copied keys see guards.onClash)"
        )
        yield Finding(("guards", "onExisting"), what, of_key=True)


def check_sizes(tree: Json) -> Iterator[Finding]:
    """Find a body that is too large to be signed, if a cluster needs signed requests."""
    if not any("aksk" in mapping_at(tree, (*path, "auth")) for path in sections(tree, ("fleet",))):
        return
    patch = mapping_at(tree, ("patch",))
    for key in BODIES:
        size = _size(patch[key]) if key in patch else 0
        if size > MAX_SIGNED_BODY_BYTES:
            what = (
                f"takes {size} bytes, and signed requests carry at most {MAX_SIGNED_BODY_BYTES};"
                " split the plan, or sign in with token or iam"
            )
            yield Finding(("patch", key), what, of_key=True)


def _size(body: Json) -> int:
    # Not `encoding.encode`: the body may contain values that it cannot encode, such as NaN.
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return len(encoded.encode("utf-8", "surrogatepass"))
