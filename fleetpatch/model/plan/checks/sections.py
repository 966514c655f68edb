"""What takes two values of a plan to be wrong, outside of its fleet and its patch.

The parts of a patch: which go together, and how the way of sending fits them.

How large the body of a request becomes, where there is a limit to it.
"""

import json
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections, texts_at
from fleetpatch.model.plan.waves import check_waves
from fleetpatch.model.plan.window import check_window


def check_sections(tree: Json) -> Iterator[Finding]:
    """Find what does not go together in targets, pace, retry, guards, limits, waves and window."""
    for block in sections(tree, ("targets",)):
        yield from _repeated(tree, (*block, "kinds"))
        yield from _repeated(tree, (*block, "namespaces"))
    yield from _pace(tree)
    for retry in (("retry",), *((*path, "retry") for path in sections(tree, ("fleet",)))):
        yield from _statuses(tree, (*retry, "statuses"))
    yield from _repeated(tree, ("guards", "allowKeys"))
    yield from check_window(tree)
    yield from check_waves(tree)
    if mapping_at(tree, ()).get("limits") == {}:
        yield Finding(("limits",), "holds no limit; give maxFailures or deadline, or remove it")


def _pace(tree: Json) -> Iterator[Finding]:
    pace = mapping_at(tree, ("pace",))
    if "burst" in pace and "rate" not in pace:
        yield Finding(
            ("pace", "burst"), "means nothing without a rate; add one, or remove it", of_key=True
        )


def _statuses(tree: Json, path: TreePath) -> Iterator[Finding]:
    statuses = list_at(tree, path)
    for position, status in enumerate(statuses):
        if status in statuses[:position]:
            yield Finding((*path, position), f"{status} stands here twice; remove one")


def _repeated(tree: Json, path: TreePath) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, text in texts_at(tree, path):
        if text in seen:
            yield Finding(place, f"{text!r} stands here twice; remove one")
        seen.add(text)


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


LARGEST_SIGNED: Final = 12 * 1024 * 1024
"""Bytes that the body of a signed request may have."""


def check_sizes(tree: Json) -> Iterator[Finding]:
    """Find a body that is too large to be signed, where a cluster's requests are."""
    if not any("aksk" in mapping_at(tree, (*path, "auth")) for path in sections(tree, ("fleet",))):
        return
    patch = mapping_at(tree, ("patch",))
    for key in BODIES:
        size = _size(patch[key]) if key in patch else 0
        if size > LARGEST_SIGNED:
            what = (
                f"takes {size} bytes, and signed requests carry at most {LARGEST_SIGNED}; make"
                " several plans, or sign in with token or iam"
            )
            yield Finding(("patch", key), what, of_key=True)


def _size(body: Json) -> int:
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return len(encoded.encode("utf-8", "surrogatepass"))
