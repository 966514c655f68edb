"""Whether a server has merged values correctly that are not as they were predicted."""

from collections.abc import Callable, Collection

from fleetpatch.model.change import Change, merges_by_schema
from fleetpatch.model.fields import ABSENT, Fields, Path, Value


def may_be_merged(
    change: Change,
    missing: Fields,
    uncertain: Callable[[], Collection[Path]],
    *,
    untouched: bool,
) -> bool:
    """Return whether the server may have merged the missing values correctly, in its own way.

    A server writes the entries of a list as it likes (`1000m` as `1`), keeps what another manager
    owns, and merges some fields by rules that it alone knows.
    """
    if not merges_by_schema(change):
        return False
    # If the version has changed, the patch had an effect. Otherwise only lists are in question: the
    # merged list may have been stored already.
    if untouched:
        return all(isinstance(value, list) for value in missing.values())
    certain = {path for path, value in missing.items() if value is not ABSENT}
    certain -= {path for path in certain if _has_list(missing[path])}
    return not certain or certain <= set(uncertain())


def _has_list(value: Value) -> bool:
    inner = value.values() if isinstance(value, dict) else ()
    return isinstance(value, list) or any(map(_has_list, inner))
