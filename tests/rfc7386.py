"""The algorithm of RFC 7386 (JSON Merge Patch), without `rules.patching.merge_patch`."""

from typing import Any


def merged(base: Any, patch: Any) -> Any:
    """Return a document with a merge patch applied."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
