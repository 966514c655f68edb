"""What one object needs: the values before the change, and the values that the plan wants.

For labels and annotations, the wanted values are a function of the change and the values before, so
the run file keeps only the values before. A patch body is applied to the object as it was read.

A patch carries every field that the plan names, also fields that already have their wanted value
(`fleetpatch.rules.patching.diff`). If another writer changes such a field between plan and patch,
this is noticed as a conflict, or the field is set again; the change is never left half done.
"""

from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from fleetpatch.model.change import (
    BodyPatch,
    Change,
    MetadataChange,
    PatchType,
    PlanChange,
)
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import (
    ABSENT,
    Fields,
    Json,
    Path,
    Value,
    annotation,
    look_up,
    show,
)
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.patching.diff import difference, outermost, touched_paths
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.merge_rules import UNTYPED, MergeRules, stored
from fleetpatch.rules.patching.server_side_apply import applied
from fleetpatch.rules.patching.strategic_patch import strategic_patched

_CHANGE_CAUSE: Final = annotation("kubernetes.io/change-cause")
"""`kubectl annotate` always overwrites it: it describes the latest change."""

_TYPE_META: Final = frozenset({"apiVersion", "kind"})


class NeedsPatch(msgspec.Struct, frozen=True):
    """The object must be patched to hold `wanted`.

    `before` has every touched field. `wanted` may leave out fields that stay as they are.
    """

    before: Fields
    wanted: Fields


class Unchanged(msgspec.Struct, frozen=True):
    """The object already holds all wanted values."""

    before: Fields


class DoesNotFit(msgspec.Struct, frozen=True):
    """The patch cannot be applied to the object; `detail` says why."""

    reason: Reason
    before: Fields
    detail: str


Need: TypeAlias = NeedsPatch | Unchanged | DoesNotFit


def need(change: PlanChange, seen: Seen, rules: MergeRules = UNTYPED) -> Need:
    """Decide what `seen` needs, so that `change` holds.

    For a BodyPatch, `seen` must have the whole object, and `rules` must be those by which its
    server merges its kind. Labels and annotations need neither.
    """
    match change:
        case MetadataChange():
            return _need_of_metadata(change, seen)
        case BodyPatch():
            return _need_of_body(change, seen, rules)


def goal(change: Change, target: Target) -> Fields:
    """The values that `target` must hold after the change."""
    # The run file does not store wanted values that follow from the values before.
    if target.wanted is None and isinstance(change, MetadataChange):
        return wanted(change, target.before)
    return target.wanted or {}


def wanted(change: MetadataChange, before: Fields) -> Fields:
    """The values that must hold after the change; `before` has every field that it touches."""
    if not change.varies:
        return change.values
    # What only a pattern touches is removed. The later entries win.
    values: dict[Path, Value] = {path: ABSENT for path in before if path not in change.named}
    values |= change.values
    # An object without the old key is not touched by a copy or a rename.
    for old, new in change.copies.items():
        if (kept := before[old]) is not ABSENT:
            values[new] = kept
    for old, new in change.renames.items():
        if (kept := before[old]) is not ABSENT:
            values[old] = ABSENT
            values[new] = kept
    return values


def _need_of_metadata(change: MetadataChange, seen: Seen) -> Need:
    document = seen.document()
    before = {path: look_up(document, path) for path in change.touched_of(document)}
    if clash := _clash(change, before):
        return DoesNotFit(Reason.CLASH, before, clash)
    if change.keeps_existing and (existing := _existing(change, before)):
        return DoesNotFit(Reason.EXISTS, before, existing)
    values = wanted(change, before)
    for path, value in values.items():
        if not deep_equal(before[path], value):
            return NeedsPatch(before, values)
    return Unchanged(before)


def _clash(change: MetadataChange, before: Fields) -> str:
    """Describe a key whose value a rename or a copy would overwrite; empty if there is none."""
    if not change.varies:
        return ""
    for old, new in (*change.renames.items(), *change.copies.items()):
        kept, taken = before[old], before[new]
        # The new key has another value: one of the two would be lost, and only people can decide
        # which. Equal values are fine; a rename then only removes the old key.
        if ABSENT not in (kept, taken) and not deep_equal(kept, taken):
            return f"{show(new)} is already {taken!r}, but {old[-1]} is {kept!r}"
    return ""


def _existing(change: MetadataChange, before: Fields) -> str:
    """Describe the keys to set that have another value; empty if there are none.

    As in `kubectl label` without `--overwrite`, a key to remove may have any value.
    """
    return "; ".join(
        f"{show(path)} is already {before[path]!r}"
        for path, value in change.values.items()
        if path != _CHANGE_CAUSE and not _is_free(before[path], value)
    )


def _is_free(current: Value, value: Value) -> bool:
    """Report whether `value` can be set without overwriting another one."""
    return ABSENT in (current, value) or deep_equal(current, value)


def _need_of_body(change: BodyPatch, seen: Seen, rules: MergeRules) -> Need:
    if seen.unreadable:
        return DoesNotFit(Reason.UNREADABLE, {}, seen.unreadable)
    change, document = _without_type_meta(change), seen.document()
    try:
        after = _patched(change, document, rules)
    except InapplicableError as error:
        return DoesNotFit(Reason.INAPPLICABLE, {}, str(error))
    # Both are compared as the server stores them. It drops empty maps and lists, so a patch that
    # only adds an empty map changes nothing.
    stored_before, stored_after = (stored(each, rules.by_patch) for each in (document, after))
    changed, _ = difference(_with_metadata_maps(stored_before), _with_metadata_maps(stored_after))
    if not changed:
        return Unchanged({})
    # A touched map may contain changed fields. Undo restores it as a whole, so they are not kept
    # a second time.
    fields = outermost([*changed, *touched_paths(change, document, rules)])
    return NeedsPatch(
        {path: look_up(document, path) for path in fields},
        {path: look_up(after, path) for path in fields},
    )


def _without_type_meta(change: BodyPatch) -> BodyPatch:
    """Leave out `apiVersion` and `kind`: the items of some lists lack them, which is no change."""
    if not isinstance(change.body, dict):
        return change
    body = {key: value for key, value in change.body.items() if key not in _TYPE_META}
    return replace(change, body=body)


def _with_metadata_maps(document: Json) -> Json:
    """Replace absent label and annotation maps by empty ones; to a server they are the same.

    Otherwise the first label of an object would be recorded as a change of the whole map, and the
    next label that another writer adds would look like a change of ours.
    """
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return document
    maps = {name: metadata.get(name) or {} for name in ("labels", "annotations")}
    return {**document, "metadata": {**metadata, **maps}}


def _patched(change: BodyPatch, document: Json, rules: MergeRules) -> Json:
    match change.type:
        case PatchType.MERGE:
            return merge_patched(document, change.body, keeps_null_entries=rules.keeps_null_entries)
        case PatchType.JSON:
            return json_patched(document, change.body)
        case PatchType.STRATEGIC:
            return stored(strategic_patched(document, change.body, rules), rules.by_patch)
        case PatchType.APPLY:
            return stored(applied(document, change.body, change.manager, rules), rules.by_patch)
