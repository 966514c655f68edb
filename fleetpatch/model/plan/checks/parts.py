"""The parts of a patch: which go together, and how the way of sending fits them."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.tree import mapping_at

KEEPING: Final = ("renameLabels", "copyLabels")
"""The parts by which each object keeps a value of its own under another key."""

OWN: Final = ("labels", "annotations", *KEEPING)
"""The parts of a patch that go together; they are sent as a merge patch."""

DOCUMENTS: Final = MappingProxyType(
    {
        "merge": PatchType.MERGE,
        "strategic": PatchType.STRATEGIC,
        "apply": PatchType.APPLY,
    }
)
"""The kinds of patch whose body is a document in the shape of the object."""

BODIES: Final = MappingProxyType({**DOCUMENTS, "json": PatchType.JSON})
"""All kinds of patch with a body of its own; each stands alone."""

OPTIONS: Final = ("fieldManager", "force", "pretty")
"""How a patch is sent, whatever it changes."""


def check_parts(tree: Json) -> Iterator[Finding]:
    """Find parts of the patch that do not go together, and a patch without any."""
    patch = mapping_at(tree, ("patch",))
    if isinstance(mapping_at(tree, ()).get("patch"), dict) and all(key in OPTIONS for key in patch):
        what = f"changes nothing; give {', '.join(OWN)}, or one of {', '.join(BODIES)}"
        yield Finding(("patch",), what)
    first = next((key for key in patch if key in OWN), None)
    for key in patch:
        if key not in BODIES:
            continue
        if first:
            what = f"stands alone, without {first}; make two plans"
            yield Finding(("patch", key), what, of_key=True)
        first = first or key
    if patch.get("force") is True and "apply" not in patch:
        yield Finding(("patch", "force"), "is for apply alone; remove it", of_key=True)
