"""Whether a server has merged values correctly that are not as they were predicted."""

from collections.abc import Callable, Collection
from typing import Final

from fleetpatch.model.change import BodyPatch, Change, PatchType
from fleetpatch.model.fields import ABSENT, Fields, Path, Value

_MERGED_BY_SCHEMA: Final = frozenset({PatchType.STRATEGIC, PatchType.APPLY})


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
    if not (isinstance(change, BodyPatch) and change.type in _MERGED_BY_SCHEMA):
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
