"""The result of a server-side apply, as far as it can be computed without the server.

The fields of the configuration are set. A field or list entry that the same field manager applied
earlier, and that the configuration leaves out now, is removed, unless another manager owns it as
well. `metadata.managedFields` records the owners. Conflicts with other managers are not looked for:
the server reports them.

`fleetpatch.rules.patching.merge_schema` defines how a field merges. The fields of a custom kind,
except its metadata, merge by the schema in its definition, which only the server has; here they are
treated as untyped.
"""

from typing import Final

from fleetpatch.model.fields import Json, look_up
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_rules import MergeRules
from fleetpatch.rules.patching.structured import fieldsets
from fleetpatch.rules.patching.structured.fieldsets import Field, FieldSet
from fleetpatch.rules.patching.structured.ownership import pruned, reconciled, reconciled_legacy
from fleetpatch.rules.patching.structured.typed import fields_of, merged, mistakes

_APPLY: Final = "Apply"
_MANAGED: Final = "managedFields"


def applied(document: Json, configuration: Json, manager: str, rules: MergeRules) -> Json:
    """The document after `manager` has applied `configuration`.

    Raises InapplicableError if the configuration has a list with duplicate or invalid entries.
    """
    rule = rules.by_apply
    for mistake in mistakes(configuration, rule):
        raise InapplicableError(mistake)
    live = _without_managed_fields(document)
    recorded = _owned(document, manager)
    owners = reconciled_legacy(recorded, live, rule) if rules.legacy else reconciled(recorded, rule)
    # `_owned` has our own fields first, and the order of the dict survives.
    ours, *others = owners.values()
    configured = fields_of(configuration, rule, empty=not rules.legacy)
    still_owned = frozenset[Field]().union(configured, *others)
    combined = merged(live, configuration, rule, as_configured=not rules.legacy)
    after = pruned(combined, ours, still_owned, rule, legacy=rules.legacy)
    # The server computes new managedFields. They do not belong to the change, so the old ones are
    # kept, and do not show up as a difference.
    kept = look_up(document, ("metadata", _MANAGED))
    if not isinstance(kept, list) or not isinstance(after, dict):
        return after
    return {**after, "metadata": {**(after.get("metadata") or {}), _MANAGED: kept}}


def _owned(document: Json, manager: str) -> dict[int, FieldSet]:
    """The fields that `manager` applied, under 0, and those of each other entry, by its position.

    An entry that cannot be decoded is left out: a field that it owns might be removed in the
    preview, while the server keeps it.
    """
    owned: dict[int, FieldSet] = {0: frozenset()}
    entries = look_up(document, ("metadata", _MANAGED))
    for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        if not isinstance(entry, dict):
            continue
        try:
            fields = fieldsets.decoded(entry.get("fieldsV1"))
        except ValueError:
            continue
        # Fields that a manager of the same name *updated* are those of another owner.
        is_ours = entry.get("manager") == manager and entry.get("operation") == _APPLY
        place = 0 if is_ours else number
        owned[place] = owned.get(place, frozenset()) | fields
    return owned


def _without_managed_fields(document: Json) -> Json:
    metadata = look_up(document, ("metadata",))
    if not isinstance(metadata, dict) or _MANAGED not in metadata:
        return document
    return {
        **document,
        "metadata": {key: value for key, value in metadata.items() if key != _MANAGED},
    }
