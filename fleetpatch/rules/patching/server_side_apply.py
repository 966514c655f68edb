"""What a server-side apply makes of an object, as far as it can be told beforehand.

What the configuration names is set; what the same field manager applied earlier and leaves out now
goes, entries of lists included, unless another manager owns it, too. Who owns what is in
`metadata.managedFields`. Conflicts with other managers are the server's to find.

How a field merges is in `fleetpatch.rules.patching.merge_schema`. What a custom kind holds besides
its metadata merges as its definition's schema says, which only the server has; here it is taken as
untyped.
"""

from typing import Final

from fleetpatch.model.fields import Json, look_up
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_rules import MergeRules
from fleetpatch.rules.patching.structured import fieldsets
from fleetpatch.rules.patching.structured.fieldsets import Field, FieldSet
from fleetpatch.rules.patching.structured.ownership import handed_over, pruned, reconciled
from fleetpatch.rules.patching.structured.typed import fields_of, merged, mistakes

_APPLY: Final = "Apply"
_MANAGED: Final = "managedFields"


def applied(document: Json, configuration: Json, manager: str, rules: MergeRules) -> Json:
    """The document after `manager` has applied `configuration`.

    Raises InapplicableError where the configuration has an entry of a list twice.
    """
    rule = rules.by_apply
    for mistake in mistakes(configuration, rule):
        raise InapplicableError(mistake)
    live = _bare(document)
    noted = _owned(document, manager)
    owners = handed_over(noted, live, rule) if rules.legacy else reconciled(noted, rule)
    ours, *others = owners.values()
    configured = fields_of(configuration, rule, empty=not rules.legacy)
    everybodys = frozenset[Field]().union(configured, *others)
    combined = merged(live, configuration, rule, as_configured=not rules.legacy)
    after = pruned(combined, ours, everybodys, rule, legacy=rules.legacy)
    kept = look_up(document, ("metadata", _MANAGED))
    if not isinstance(kept, list) or not isinstance(after, dict):
        return after
    return {**after, "metadata": {**(after.get("metadata") or {}), _MANAGED: kept}}


def _owned(document: Json, manager: str) -> dict[int, FieldSet]:
    """What `manager` has applied, by 0, and what each of the others owns; unreadable is nothing."""
    owned: dict[int, FieldSet] = {0: frozenset()}
    entries = look_up(document, ("metadata", _MANAGED))
    for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        if not isinstance(entry, dict):
            continue
        try:
            fields = fieldsets.decoded(entry.get("fieldsV1"))
        except ValueError:
            continue
        mine = entry.get("manager") == manager and entry.get("operation") == _APPLY
        place = 0 if mine else number
        owned[place] = owned.get(place, frozenset()) | fields
    return owned


def _bare(document: Json) -> Json:
    """The object without its owners."""
    metadata = look_up(document, ("metadata",))
    if not isinstance(metadata, dict) or _MANAGED not in metadata:
        return document
    return {
        **document,
        "metadata": {key: value for key, value in metadata.items() if key != _MANAGED},
    }
