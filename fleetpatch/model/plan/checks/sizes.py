"""How large the body of a request becomes, where there is a limit to it."""

import json
from collections.abc import Iterator
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.checks.parts import BODIES
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.tree import mapping_at, sections

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
