"""The rules by which objects merge on the server version that the sandbox simulates."""

from typing import Final

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules, release
from fleetpatch.rules.patching.merge_schema import ATOMIC, Rule, Struct, field_rule
from fleetpatch.sandbox.apiserver import discovery

_OPEN: Final = Struct({}, rest=ATOMIC)
"""A field that a definition leaves open (`x-kubernetes-preserve-unknown-fields`).

A server of this version treats each field in it as atomic, maps included.
"""


def rules_of(resource: Resource) -> MergeRules:
    """The rules for a kind on a server of the sandbox's version."""
    return merge_rules(resource, release(discovery.VERSION))


def rule_of(resource: Resource) -> Rule:
    """The rule by which a server-side apply merges a whole object."""
    rule = rules_of(resource).by_apply
    metadata = field_rule(rule, "metadata")
    if not discovery.is_custom(resource) or metadata is None:
        return rule
    return Struct({"metadata": metadata, "spec": _OPEN, "status": _OPEN})
