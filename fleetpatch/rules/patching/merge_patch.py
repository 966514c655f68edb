"""Merge patch (RFC 7386) as a pure function: a document and a patch in, a new document out.

Nothing is changed in place. What the patch does not touch is shared with the old document.

By the RFC a list is taken as it is, including its nulls. kube-apiserver (evanphx/json-patch) does
so only where the old value is a map. Elsewhere it drops map entries that are null, at any depth,
also within lists. Before Kubernetes 1.22 it drops null *entries of lists* as well; later versions
keep them.
"""

from fleetpatch.model.fields import Json


def merge_patched(document: Json, patch: Json, *, keeps_null_entries: bool = True) -> Json:
    """Merge `patch` into `document`; servers since Kubernetes 1.22 keep null entries of lists."""
    if patch is None:
        return None
    return _merged(document, patch, keeps_null_entries)


def _merged(current: Json, patch: Json, keeps: bool) -> Json:
    # This order is the server's: a new value is pruned, but a list that replaces a map is not.
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
    """A new value without the nulls that a server drops."""
    match value:
        case dict():
            return {key: _pruned(each, keeps) for key, each in value.items() if each is not None}
        case list():
            return [_pruned(each, keeps) for each in value if keeps or each is not None]
        case _:
            return value
