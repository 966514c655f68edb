"""By which rule an object merges on the server that the sandbox plays."""

from typing import Final

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules, release
from fleetpatch.rules.patching.merge_schema import ATOMIC, Rule, Struct, field_rule
from fleetpatch.sandbox.apiserver import discovery

_OPEN: Final = Struct({}, rest=ATOMIC)
"""What a definition leaves open (`x-kubernetes-preserve-unknown-fields`).

For a server of this version each field of it is atomic, maps included.
"""


def rules_of(resource: Resource) -> MergeRules:
    """How objects of the kind merge on a server of the version that the sandbox names."""
    return merge_rules(resource, release(discovery.VERSION))


def rule_of(resource: Resource) -> Rule:
    """The rule by which a server-side apply merges a whole object."""
    rule = rules_of(resource).by_apply
    metadata = field_rule(rule, "metadata")
    if not discovery.is_custom(resource) or metadata is None:
        return rule
    return Struct({"metadata": metadata, "spec": _OPEN, "status": _OPEN})
