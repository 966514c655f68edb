"""What one object needs: before-values, wanted values, and the patch between them.

For labels and annotations the wanted values are a function of the change and the before-values, so
the run file keeps only the latter. A patch body of the plan's own is tried out on the object as it
is read. Either patch carries every field that the plan names, also those that hold already
(`fleetpatch.rules.patching.diff`): one that somebody changes between plan and patch is then seen as
a conflict or set right, never left half done.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

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
    label,
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

_HEAD: Final = frozenset({"apiVersion", "kind"})


@dataclass(frozen=True, slots=True)
class NeedsPatch:
    """The object is to be patched so that `wanted` holds.

    `before` names every field at stake. `wanted` may leave out those that stay as they are.
    """

    before: Fields
    wanted: Fields


@dataclass(frozen=True, slots=True)
class Unchanged:
    """All wanted values are there already."""

    before: Fields


@dataclass(frozen=True, slots=True)
class DoesNotFit:
    """The patch does not fit the object; `detail` says why."""

    reason: Reason
    before: Fields
    detail: str


Need: TypeAlias = NeedsPatch | Unchanged | DoesNotFit


def need(change: PlanChange, seen: Seen, rules: MergeRules = UNTYPED) -> Need:
    """Decide what `seen` needs for `change` to hold; a BodyPatch needs the whole object.

    `rules` are those by which objects of its kind merge on its server; labels and annotations need
    none.
    """
    match change:
        case MetadataChange():
            return _need_of_metadata(change, seen)
        case BodyPatch():
            return _need_of_body(change, seen, rules)


def goal(change: Change, target: Target) -> Fields:
    """The values that must hold for `target` afterwards."""
    if target.wanted is None and isinstance(change, MetadataChange):
        return wanted(change, target.before)
    return target.wanted or {}


def wanted(change: MetadataChange, before: Fields) -> Fields:
    """The values that must hold afterwards; `before` names every field of `change.touched`."""
    values: dict[Path, Value] = {}
    for key, value in change.labels.items():
        values[label(key)] = ABSENT if value is None else value
    for key, value in change.annotations.items():
        values[annotation(key)] = ABSENT if value is None else value
    for old, new in change.copy_labels.items():
        if (kept := before[label(old)]) is not ABSENT:
            values[label(new)] = kept
    for old, new in change.rename_labels.items():
        if (kept := before[label(old)]) is not ABSENT:
            values[label(old)] = ABSENT
            values[label(new)] = kept
    return values


def _need_of_metadata(change: MetadataChange, seen: Seen) -> Need:
    document = seen.document()
    before = {path: look_up(document, path) for path in change.touched}
    for old, new in (*change.rename_labels.items(), *change.copy_labels.items()):
        kept, taken = before[label(old)], before[label(new)]
        if ABSENT not in (kept, taken) and not deep_equal(kept, taken):
            why = f"{show(label(new))} is {taken!r} already, {old} is {kept!r}"
            return DoesNotFit(Reason.CLASH, before, why)
    values = wanted(change, before)
    if all(deep_equal(before[path], value) for path, value in values.items()):
        return Unchanged(before)
    return NeedsPatch(before, values)


def _need_of_body(change: BodyPatch, seen: Seen, rules: MergeRules) -> Need:
    if seen.unreadable:
        return DoesNotFit(Reason.UNREADABLE, {}, seen.unreadable)
    change, document = _without_head(change), seen.document()
    try:
        after = _patched(change, document, rules)
    except InapplicableError as error:
        return DoesNotFit(Reason.INAPPLICABLE, {}, str(error))
    # A server keeps nothing that is empty, so a patch that leaves an empty map may change nothing.
    stored_before, stored_after = (stored(each, rules.by_patch) for each in (document, after))
    changed, _ = difference(_with_maps(stored_before), _with_maps(stored_after))
    if not changed:
        return Unchanged({})
    fields = outermost([*changed, *touched_paths(change, document, rules)])
    return NeedsPatch(
        {path: look_up(document, path) for path in fields},
        {path: look_up(after, path) for path in fields},
    )


def _without_head(change: BodyPatch) -> BodyPatch:
    """Leave out what only says which kind is meant; the entries of some lists do not have it."""
    if not isinstance(change.body, dict):
        return change
    body = {key: value for key, value in change.body.items() if key not in _HEAD}
    return replace(change, body=body)


def _with_maps(document: Json) -> Json:
    """Let absent label and annotation maps be empty ones, as for a server they are.

    Else the first label of an object would be the whole map to us, and anybody else's next one a
    change of ours.
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
