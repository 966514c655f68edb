"""Merge patch (RFC 7386), pure: a document and a patch in, a new document out.

Nothing is changed in place, and whatever a patch does not touch is shared with the old document.

The RFC takes a list as it is, nulls in it included. kube-apiserver (evanphx/json-patch) does so
only where the old value is a map. Elsewhere it drops every entry of a map that is null, at any
depth, within lists, too. Whether it drops null *entries of lists* depends on its version: before
Kubernetes 1.22 it does, later it keeps them.
"""

from fleetpatch.model.fields import Json


def merge_patched(document: Json, patch: Json, *, keeps_null_entries: bool = True) -> Json:
    """Merge `patch` into `document`; `keeps_null_entries` tells which kind of server does it."""
    if patch is None:
        return None
    return _merged(document, patch, keeps_null_entries)


def _merged(current: Json, patch: Json, keeps: bool) -> Json:
    if not isinstance(current, dict):
        return _pruned(patch, keeps)
    if not isinstance(patch, dict):
        return patch
    result = dict(current)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(current.get(key), value, keeps)
    return result


def _pruned(value: Json, keeps: bool) -> Json:
    """A value without the nulls that a server drops of what is new."""
    match value:
        case dict():
            return {key: _pruned(each, keeps) for key, each in value.items() if each is not None}
        case list():
            return [_pruned(each, keeps) for each in value if keeps or each is not None]
        case _:
            return value
