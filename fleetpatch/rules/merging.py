"""Merge patches, pure: a document and a patch in, a new document out.

Nothing is changed in place, and whatever a patch does not touch is shared with the old document.
"""

from typing import Final

from fleetpatch.model.fields import Json

_MERGE_KEY: Final = "name"


def merge_patched(document: Json, patch: Json) -> Json:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result


def strategic_patched(document: Json, patch: Json) -> Json:
    """Kubernetes' strategic merge: maps merge, `$patch` directs, lists of named entries merge.

    Lists of scalars are united, as `finalizers` are, which is the only one that jobs have in their
    metadata. Other merge keys than `name` are not known here. What is not there yet is taken as it
    stands, so a null in it stays: the real server, too, makes an empty label of it.
    """
    if isinstance(patch, list):
        return _merged_list(document if isinstance(document, list) else [], patch)
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    rest = {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(document) if isinstance(document, dict) and directive != "replace" else {}
    for key, value in rest.items():
        if value is None:
            result.pop(key, None)
        elif key in result:
            result[key] = strategic_patched(result[key], value)
        else:
            result[key] = value
    return result


def _merged_list(current: list[Json], patch: list[Json]) -> list[Json]:
    if not all(isinstance(entry, dict) and _MERGE_KEY in entry for entry in patch):
        return [*patch, *(entry for entry in current if entry not in patch)]
    result = {entry.get(_MERGE_KEY): entry for entry in current}
    for entry in patch:
        name = entry[_MERGE_KEY]
        if entry.get("$patch") == "delete":
            result.pop(name, None)
        else:
            result[name] = strategic_patched(result.get(name), entry)
    return list(result.values())
