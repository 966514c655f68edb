"""The rules by which objects merge on a server of some release."""

from typing import Final

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import MergeRules, merge_rules
from fleetpatch.rules.patching.merge_schema import ATOMIC, MAP, Rule, Struct, field_rule
from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.release import Release

_OPEN: Final = Struct({}, rest=ATOMIC)
"""A field that a definition leaves open (`x-kubernetes-preserve-unknown-fields`).

An old server treats each field in it as atomic, maps included; a current one merges the maps.
"""


def rules_of(release: Release, resource: Resource) -> MergeRules:
    """The rules for the objects of a kind."""
    return merge_rules(resource, release.version)


def rule_of(release: Release, resource: Resource) -> Rule:
    """The rule by which a server-side apply merges a whole object."""
    rule = rules_of(release, resource).by_apply
    metadata = field_rule(rule, "metadata")
    if not discovery.is_custom(resource) or metadata is None:
        return rule
    open_ = MAP if release.tracks_open_fields else _OPEN
    return Struct({"metadata": metadata, "spec": open_, "status": open_})
