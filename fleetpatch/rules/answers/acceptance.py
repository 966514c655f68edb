"""Decide how a target ends after a 200, from the object in the answer.

The server has carried out the PATCH. But it may have stored other values than were wanted, and the
answer may be that of a cache. What a read shows is decided in
`fleetpatch.rules.answers.settlement`.
"""

from collections.abc import Callable, Collection
from types import MappingProxyType

from fleetpatch.model.change import Change
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Path, show, show_value
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.attribution import recorded
from fleetpatch.rules.answers.covering import is_stored_form
from fleetpatch.rules.answers.further_fields import is_default
from fleetpatch.rules.answers.holding import not_stored
from fleetpatch.rules.answers.merges import may_be_merged
from fleetpatch.rules.answers.steps import End, not_effective, unless_same


def after_patch(
    change: Change,
    values: Fields,
    known_version: str,
    seen: Seen,
    *,
    before: Fields = MappingProxyType({}),
    sent_before: bool = False,
    guarded: bool = True,
    dry_run: bool = False,
    uncertain: Callable[[], Collection[Path]] = tuple,
) -> End:
    """Decide after a 200: patched, already set, or accepted by the server without effect.

    - `known_version`: the resourceVersion before the PATCH, as far as we know.
    - `before`: the values that the PATCH replaced; a field that is not in it was absent.
    - `sent_before`: an earlier PATCH of ours may have made that version.
    - `guarded`: the PATCH carried that version.
    - `uncertain`: returns the fields that only the server knows how to merge. It is called only if
      values are missing.
    """
    found = seen.values(values)
    # A patch that changes nothing does not change the version. Neither does a dry run, whose
    # version shows nothing.
    untouched = known_version == seen.resource_version and not dry_run
    unchanged = untouched and not sent_before
    if not seen.is_readable_at(values):
        # The server accepted the patch; that we cannot decode the result does not change this.
        return _accepted(seen, unchanged=unchanged, dry_run=dry_run)
    # In most cases all fields have exactly the wanted values, and nothing else is to be decided.
    wrote_other = unless_same(found, values)
    if wrote_other is None:
        return _accepted(seen, unchanged=unchanged, dry_run=dry_run)
    missing = not_stored(change, values, found, before)
    if missing and not may_be_merged(
        change, missing, found, before, uncertain, untouched=untouched
    ):
        ours = found
        if not guarded:
            # Another writer may have written the values that are not as wanted, and what the others
            # have more than was wanted.
            stored, _ = recorded(values, found, before, seen, ())
            ours = {path: stored[path] for path in stored.keys() - missing.keys()}
        wrote = None if dry_run else ours
        return not_effective(missing, found, seen.resource_version, wrote=wrote)
    # A field that was not touched may have moved the version.
    unchanged |= _is_unchanged(found, before)
    detail = _kept(values, found) if unchanged else ""
    if not (guarded or unchanged):
        wrote, detail = recorded(values, found, before, seen, ())
        wrote_other = unless_same(wrote, values)
    return _accepted(seen, wrote_other, detail, unchanged=unchanged, dry_run=dry_run)


def may_be_stale(
    end: End, values: Fields, known_version: str, seen: Seen, *, before: Fields
) -> bool:
    """Return whether a 200 that does not show the change may be that of a cache.

    Then its object is the one that was there before the PATCH, an older one, or that of another
    writer: its PATCH may have been refused.
    """
    if end.reason is Reason.NOT_EFFECTIVE:
        return True
    found = seen.values(values)
    if deep_equal(found, values):
        return False
    return known_version == seen.resource_version or _is_unchanged(found, before)


def _is_unchanged(found: Fields, before: Fields) -> bool:
    return all(deep_equal(value, before.get(path, ABSENT)) for path, value in found.items())


def _accepted(
    seen: Seen, wrote: Fields | None = None, detail: str = "", *, unchanged: bool, dry_run: bool
) -> End:
    """End a target whose patch the server accepted."""
    if dry_run:
        return End(Reason.DRY_RUN)
    reason = Reason.ALREADY_SET if unchanged else Reason.PATCHED
    return End(reason, detail, seen.resource_version, wrote)


def _kept(values: Fields, found: Fields) -> str:
    """Name the unchanged fields that have more in them than their wanted values and defaults."""
    return "; ".join(
        f"{show(path)} is still {show_value(found[path])}, which counts as {show_value(value)}"
        for path, value in values.items()
        if not is_stored_form(found[path], value, is_default)
    )
