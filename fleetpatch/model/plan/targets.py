"""The plan's `fleet` and `targets`: clusters, kinds, namespaces and selectors."""

import re
from typing import Annotated, Final, Self, TypeAlias

from msgspec.structs import replace

from fleetpatch.model.names import (
    problem_of_dns_label,
    problem_of_dns_subdomain,
    problem_of_object_name,
    show,
)
from fleetpatch.model.plan.auth import Auth
from fleetpatch.model.plan.field_types import (
    CelText,
    DnsLabel,
    LabelSelector,
    NonEmptyList,
    ObjectFieldSelector,
    text_type,
)
from fleetpatch.model.plan.objects import Objects
from fleetpatch.model.plan.retry import ClusterRetrySection
from fleetpatch.model.plan.section import Section
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.selectors.field_selector import FieldSelector, FieldTerm
from fleetpatch.model.selectors.label_selector import Selector

_WILDCARDS: Final = re.compile(r"\*|\?|\[!?[^\]]+\]")
"""The wildcards of fnmatch, which are replaced by a letter to check the rest of a pattern."""


def _problem_of_kind(kind: str) -> str | None:
    # The core group has no name, so an unambiguous name in it ends with a dot: pods.v1.
    if not problem_of_dns_subdomain(kind.removesuffix(".")):
        return None
    return (
        f"{show(kind)} is not a valid kind; write one name for each entry, as for kubectl"
        " (jobs, jobs.batch or a short name), in lower case and without the name of an object"
    )


def _problem_of_namespace_pattern(pattern: str) -> str | None:
    # A pattern that no valid name can match is a mistake.
    if not problem_of_dns_label(_WILDCARDS.sub("x", pattern.removeprefix("!"))):
        return None
    return (
        f"{show(pattern)} cannot match a namespace; use lower-case letters, digits, '-',"
        " the wildcards * ? [abc], and '!' in front to exclude"
    )


Kind: TypeAlias = Annotated[str, text_type(_problem_of_kind)]
NamespacePattern: TypeAlias = Annotated[str, text_type(_problem_of_namespace_pattern)]
ObjectName: TypeAlias = Annotated[str, text_type(problem_of_object_name)]


class ClusterRef(Section, frozen=True, kw_only=True):
    """A cluster of the fleet."""

    name: DnsLabel
    """Its name in the plan, the log and the report."""
    context: str | None = None
    """The kubeconfig's context; absent: its current one."""
    provider: ProviderName = ProviderName.KUBERNETES
    """What serves the API: any Kubernetes, or Huawei Cloud CCI."""
    server: str | None = None
    """The API's URL, for provider cci."""
    auth: Auth | None = None
    """How to sign in, for provider cci."""
    retry: ClusterRetrySection | None = None
    """What is retried, if that differs from the rest of the fleet."""


class TargetBlock(Section, frozen=True, kw_only=True):
    """A selection of objects. A plan's targets are the union of its blocks, each object once."""

    kinds: NonEmptyList[Kind]
    """Resources, as resource, resource.group, singular or short name: jobs.batch, tfjobs, vcjob."""
    namespaces: NonEmptyList[NamespacePattern] = ()
    """Names and globs; ! in front excludes. Absent: all namespaces."""
    names: NonEmptyList[ObjectName] = ()
    """Names of objects. Absent: all that the selectors match."""
    objects: Objects | None = None
    """Objects by namespace/name or cluster/namespace/name: a list, or {file: FILE}, one a line."""
    selector: LabelSelector = Selector()
    """A label selector, as for kubectl -l. Absent: every object of the kinds."""
    field_selector: ObjectFieldSelector = FieldSelector()
    """A field selector, as for kubectl --field-selector."""
    where: CelText | None = None
    """A CEL expression over each listed object; only those for which it is true are targets."""

    dependents: NonEmptyList[Kind] = ()
    """Kinds of which also those objects are targets that the selected ones own, at any depth."""

    def with_digest(self, digest: str) -> Self:
        """Return the block with the digest of the file of its `objects`."""
        objects = self.objects and replace(self.objects, digest=digest)
        return replace(self, objects=objects)

    @property
    def is_unselective(self) -> bool:
        """Whether every object of the kinds matches."""
        selects = self.names or self.objects or self.where
        return not selects and self.selector.is_empty and self.field_selector.is_empty

    @property
    def field_selectors(self) -> tuple[FieldSelector, ...]:
        """The field selector of each list: one for each of `names`, which it includes."""
        terms = self.field_selector.terms
        named = (FieldTerm("metadata.name", name) for name in self.names)
        return tuple(FieldSelector((term, *terms)) for term in named) or (self.field_selector,)
