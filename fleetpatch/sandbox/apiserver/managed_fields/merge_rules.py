"""The rules by which objects merge on a server of some release."""

from typing import Final

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.patching.merge_schema import ATOMIC, Rule, Struct, field_rule
from fleetpatch.sandbox.apiserver import discovery, openapi
from fleetpatch.sandbox.apiserver.release import Release

_OPEN: Final = Struct({}, rest=ATOMIC)
"""A field that a definition leaves open (`x-kubernetes-preserve-unknown-fields`), on an old server.

Each field in it is atomic, maps included; a current one merges the maps.
"""


def rules_of(release: Release, resource: Resource) -> MergeRules:
    """The rules for the objects of a kind: those in the schema that the server publishes."""
    return merge_rules(resource, release.version, openapi.published(release))


def rule_of(release: Release, resource: Resource) -> Rule:
    """The rule by which a server-side apply merges a whole object."""
    rule = rules_of(release, resource).by_apply
    metadata = field_rule(rule, "metadata")
    if release.publishes_schemas or not discovery.is_custom(resource) or metadata is None:
        return rule
    return Struct({"metadata": metadata, "spec": _OPEN, "status": _OPEN})
