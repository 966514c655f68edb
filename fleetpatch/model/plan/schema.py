"""The plan: the sections of the plan file.

Editors show the attribute docstrings (`fleetpatch.model.plan.json_schema`). The default of a key is
a value that could be written into the file, which changes nothing, not even the digest. Keys that
are only wrong in combination are found in `fleetpatch.model.plan.checks`.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from fleetpatch.model.change import (
    FIELD_MANAGER,
    BodyPatch,
    MetadataChange,
    PatchOptions,
    PatchType,
    PlanChange,
)
from fleetpatch.model.computed import Expression
from fleetpatch.model.fields import Path, annotation, label
from fleetpatch.model.patterns import is_pattern
from fleetpatch.model.plan.computable import AnnotationValue, LabelValue
from fleetpatch.model.plan.field_types import (
    AnnotationKey,
    AnnotationPattern,
    CelText,
    Count,
    CountOrPercentage,
    DnsLabel,
    FieldManager,
    LabelKey,
    LabelPattern,
    NonEmptyList,
    NonEmptyText,
    PerSecond,
    PositiveSeconds,
)
from fleetpatch.model.plan.lease import LockSection
from fleetpatch.model.plan.retry import RetrySection
from fleetpatch.model.plan.section import NotEmpty, Section
from fleetpatch.model.plan.tables.section import Identifier, TableSection
from fleetpatch.model.plan.targets import ClusterRef, TargetBlock
from fleetpatch.model.plan.value_types import Integer
from fleetpatch.model.plan.verification import VerifySection
from fleetpatch.model.plan.waves import WavesSection
from fleetpatch.model.plan.window import WindowSection


class MetadataSection(Section, frozen=True, kw_only=True):
    """The plan's name, description and notes."""

    name: DnsLabel
    """The plan's name, a DNS label; runs are named after it."""
    description: str = ""
    """Text for the people who review it."""
    annotations: Mapping[NonEmptyText, str] = {}
    """Notes with free keys, such as a ticket; they are kept in the run."""


_Values: TypeAlias = Mapping[str, str | Expression | None]


def _literal(values: _Values) -> dict[str, str | None]:
    return {
        key: value
        for key, value in values.items()
        if not (isinstance(value, Expression) or is_pattern(key))
    }


def _computed(values: _Values, path: Callable[[str], Path]) -> dict[Path, Expression]:
    return {path(key): value for key, value in values.items() if isinstance(value, Expression)}


def _patterns(values: _Values) -> tuple[str, ...]:
    return tuple(sorted(filter(is_pattern, values)))


class PatchSection(Section, frozen=True, kw_only=True):
    """What to change: labels and annotations, or one patch body; and how it is sent."""

    labels: Annotated[Mapping[LabelPattern, LabelValue], NotEmpty()] = {}
    """Labels to set: text, or {cel: EXPRESSION}. null removes; prefix/* with null removes all keys
    with the prefix."""
    rename_labels: Annotated[Mapping[LabelKey, LabelKey], NotEmpty()] = {}
    """Labels to rename, old key to new key; each object keeps its value."""
    copy_labels: Annotated[Mapping[LabelKey, LabelKey], NotEmpty()] = {}
    """Labels to copy, old key to new key; each object keeps the old label, too."""
    annotations: Annotated[Mapping[AnnotationPattern, AnnotationValue], NotEmpty()] = {}
    """Annotations to set: text, or {cel: EXPRESSION}. null removes; prefix/* with null removes all
    keys with the prefix."""
    rename_annotations: Annotated[Mapping[AnnotationKey, AnnotationKey], NotEmpty()] = {}
    """Annotations to rename, old key to new key; each object keeps its value."""
    copy_annotations: Annotated[Mapping[AnnotationKey, AnnotationKey], NotEmpty()] = {}
    """Annotations to copy, old key to new key; each object keeps the old annotation, too."""
    merge: Mapping[str, Any] | None = None
    """A JSON merge patch (RFC 7386)."""
    json_patch: NonEmptyList[Mapping[str, Any]] | None = msgspec.field(default=None, name="json")
    """A JSON Patch (RFC 6902): a list of operations."""
    strategic: Mapping[str, Any] | None = None
    """A strategic merge patch, for built-in kinds of Kubernetes."""
    apply: Mapping[str, Any] | None = None
    """A server-side apply configuration; apiVersion, kind and name may be left out."""
    field_manager: FieldManager = FIELD_MANAGER
    """The name that the server records as the owner of the changed fields."""
    force: bool = False
    """Take over fields that other managers own; for apply only."""
    pretty: bool = False
    """Request indented answers from the server."""

    def change(self) -> PlanChange:
        """Return the change, independent of the plan file."""
        bodies = {
            PatchType.MERGE: self.merge,
            PatchType.JSON: self.json_patch,
            PatchType.STRATEGIC: self.strategic,
            PatchType.APPLY: self.apply,
        }
        # `check_parts` has refused plans with more than one of these.
        for patch_type, body in bodies.items():
            if body is not None:
                return BodyPatch(patch_type, body, self.field_manager)
        return MetadataChange(
            labels=_literal(self.labels),
            annotations=_literal(self.annotations),
            rename_labels=self.rename_labels,
            copy_labels=self.copy_labels,
            rename_annotations=self.rename_annotations,
            copy_annotations=self.copy_annotations,
            label_patterns=_patterns(self.labels),
            annotation_patterns=_patterns(self.annotations),
            expressions={
                **_computed(self.labels, label),
                **_computed(self.annotations, annotation),
            },
        )

    def options(self) -> PatchOptions:
        """Return the query parameters of each PATCH."""
        return PatchOptions(self.field_manager, self.force, self.pretty)


class GuardsSection(Section, frozen=True, kw_only=True):
    """Safety checks of a run."""

    on_drift: Literal["skip", "overwrite"] = "skip"
    """If a touched field changed since the plan: skip the object, or overwrite the field."""
    conflicts: Literal["version", "none"] = "version"
    """version: each patch carries the planned resourceVersion; none: only the uid."""
    on_existing: Literal["overwrite", "skip"] = "overwrite"
    """If a label or annotation to set has another value: overwrite it, or skip the object."""
    on_clash: Literal["skip", "refuse"] = "skip"
    """If an object has the new label with another value: skip the object, or refuse the plan."""
    on_unreachable: Literal["refuse", "skip"] = "refuse"
    """If a cluster cannot be reached when the plan is expanded: refuse, or plan the others."""
    on_empty: Literal["warn", "refuse"] = "warn"
    """If nothing matches in a cluster or a named namespace, or a named object is missing."""
    on_error: Literal["refuse", "skip"] = "refuse"
    """If an expression fails on an object, or has no valid value: refuse the plan, or skip it."""
    max_targets: Count | None = None
    """Refuse a plan that matches more objects. Absent: no limit."""
    allow_keys: tuple[AnnotationKey, ...] = ()
    """Protected keys that this plan may change, by name."""


class PaceSection(Section, frozen=True, kw_only=True):
    """How fast requests are sent to each cluster."""

    rate: PerSecond | None = None
    """The highest rate of requests, such as 100/s. Absent: no limit."""
    burst: Count | None = None
    """Requests that may be sent at once after a pause; needs a rate. Absent: one second's."""
    concurrency: Annotated[int | None, Integer(1, 1000)] = None
    """The maximum number of requests in flight. Absent: 128, or 32 if the pace is not adaptive."""
    adaptive: bool = True
    """Adapt to the server's latency and refusals, below these limits."""

    @property
    def in_flight(self) -> int:
        """The maximum number of requests in flight."""
        # The adaptive pace lowers the limit itself when the server slows down. A fixed limit must
        # be low enough for a slow server.
        return self.concurrency or (128 if self.adaptive else 32)


class LimitsSection(Section, frozen=True, kw_only=True):
    """When a run stops by itself."""

    max_failures: CountOrPercentage | None = None
    """The number or share of failed targets that is tolerated; one more halts the run."""
    deadline: PositiveSeconds | None = None
    """The run pauses after this time."""


class Plan(Section, frozen=True, kw_only=True):
    """A plan file of fleetpatch: one change to many objects."""

    api_version: Literal["fleetpatch/v1"]
    """The format's version."""
    kind: Literal["Plan"]
    """Always Plan."""
    metadata: MetadataSection
    """The plan's name and description."""
    fleet: NonEmptyList[ClusterRef] = ()
    """The clusters. Absent: the one of the kubeconfig's current context."""
    targets: NonEmptyList[TargetBlock]
    """The objects: the union of these blocks."""
    tables: Annotated[Mapping[Identifier, TableSection], NotEmpty()] = {}
    """Tables beside the plan, by the names that expressions give them."""
    variables: Mapping[Identifier, CelText] = {}
    """CEL expressions that others use as variables.NAME."""
    patch: PatchSection
    """What to change in each object."""
    guards: GuardsSection = GuardsSection()
    """Safety checks of the run."""
    pace: PaceSection = PaceSection()
    """How fast requests are sent."""
    retry: RetrySection = RetrySection()
    """Which requests are retried."""
    limits: LimitsSection | None = None
    """When it stops by itself."""
    waves: WavesSection | None = None
    """The steps of the run."""
    verify: VerifySection | None = None
    """Whether the change is still there after a while."""
    window: WindowSection | None = None
    """When patches may be sent."""
    lock: LockSection | None = None
    """A Lease that keeps other machines from applying the plan at the same time."""

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.metadata.name

    @property
    def has_expressions(self) -> bool:
        """Whether objects are evaluated by expressions when the plan is expanded."""
        return any(block.where for block in self.targets) or bool(self.change().expressions)

    def change(self) -> PlanChange:
        """Return the change, independent of the plan file."""
        change = self.patch.change()
        if isinstance(change, MetadataChange) and self.guards.on_existing == "skip":
            return replace(change, keeps_existing=True)
        return change

    def retried(self, cluster: str) -> frozenset[int]:
        """Return the HTTP statuses that are retried on the cluster of that name."""
        # A cluster of a plan without a fleet is not listed, and has the plan's statuses.
        own = (ref.retry for ref in self.fleet if ref.name == cluster)
        return frozenset((next(own, None) or self.retry).statuses)
