"""The plan: the pydantic models of the plan file's sections.

Attribute docstrings are what editors show (`fleetpatch schema`). Every default is a value here, so
that writing it into the file changes nothing, not even the digest. What takes two keys to be wrong
is looked at in `fleetpatch.model.plan.checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fleetpatch.model.change import (
    FIELD_MANAGER,
    BodyPatch,
    MetadataChange,
    PatchOptions,
    PatchType,
    PlanChange,
)
from fleetpatch.model.plan.lease import LockSection
from fleetpatch.model.plan.retry import RetrySection
from fleetpatch.model.plan.section import (
    AnnotationKey,
    AnnotationValue,
    AnyOf,
    CountOrPercentage,
    DnsLabel,
    FieldManager,
    Given,
    LabelKey,
    LabelValue,
    ListOf,
    PerSecond,
    Seconds,
    Section,
)
from fleetpatch.model.plan.targets import ClusterRef, TargetBlock
from fleetpatch.model.plan.waves import WavesSection
from fleetpatch.model.plan.window import WindowSection


class MetadataSection(Section):
    """What the plan is called."""

    name: DnsLabel
    """The plan's name, a DNS label; runs are named after it."""
    description: str = ""
    """For the people who review it."""


class PatchSection(Section):
    """What changes: labels, annotations and the like together, or one body; and how it is sent."""

    labels: Annotated[Mapping[LabelKey, LabelValue], Field(min_length=1)] = {}
    """Labels to set; null removes."""
    rename_labels: Annotated[Mapping[LabelKey, LabelKey], Field(min_length=1)] = {}
    """Labels to rename, old key to new key; each object keeps its value."""
    copy_labels: Annotated[Mapping[LabelKey, LabelKey], Field(min_length=1)] = {}
    """Labels to copy, old key to new key; each object keeps the old one, too."""
    annotations: Annotated[Mapping[AnnotationKey, AnnotationValue], Field(min_length=1)] = {}
    """Annotations to set; null removes."""
    merge: Annotated[Mapping[str, Any] | None, Given] = None
    """A JSON merge patch (RFC 7386)."""
    json_patch: Annotated[ListOf[Mapping[str, Any]] | None, Given] = Field(None, alias="json")
    """A JSON Patch (RFC 6902): a list of operations."""
    strategic: Annotated[Mapping[str, Any] | None, Given] = None
    """A strategic merge patch, for Kubernetes' own kinds."""
    apply: Annotated[Mapping[str, Any] | None, Given] = None
    """A server-side apply configuration; apiVersion, kind and name may be left out."""
    field_manager: FieldManager = FIELD_MANAGER
    """Who the server notes down as the owner of what is changed."""
    force: bool = False
    """Takes over fields that other managers own; for apply alone."""
    pretty: bool = False
    """Asks the server for indented answers."""

    def change(self) -> PlanChange:
        """Give what is to change, free of the file."""
        bodies = {
            PatchType.MERGE: self.merge,
            PatchType.JSON: self.json_patch,
            PatchType.STRATEGIC: self.strategic,
            PatchType.APPLY: self.apply,
        }
        for patch_type, body in bodies.items():
            if body is not None:
                return BodyPatch(patch_type, body, self.field_manager)
        return MetadataChange(
            labels=self.labels,
            annotations=self.annotations,
            rename_labels=self.rename_labels,
            copy_labels=self.copy_labels,
        )

    def options(self) -> PatchOptions:
        """Give how each PATCH is sent."""
        return PatchOptions(self.field_manager, self.force, self.pretty)


class GuardsSection(Section):
    """What keeps a run from doing harm."""

    on_drift: Literal["skip", "overwrite"] = "skip"
    """When a touched field changed since the plan: leave the object alone, or overwrite it."""
    conflicts: Literal["version", "none"] = "version"
    """version: each patch carries the planned resourceVersion; none: only the uid."""
    on_clash: Literal["skip", "refuse"] = "skip"
    """When an object has the new label already, with another value: leave it out, or the plan."""
    max_targets: Annotated[Annotated[int, Field(ge=1)] | None, Given] = None
    """Refuse a plan that matches more objects. Absent: no limit."""
    allow_keys: AnyOf[AnnotationKey] = ()
    """Protected keys that this plan may touch, by name."""


class PaceSection(Section):
    """How fast a run goes, for each cluster."""

    rate: Annotated[PerSecond | None, Given] = None
    """Requests at most, as 100/s. Absent: no ceiling."""
    burst: Annotated[Annotated[int, Field(ge=1)] | None, Given] = None
    """Requests that may go at once after a pause; needs a rate. Absent: one second's worth."""
    concurrency: Annotated[Annotated[int, Field(ge=1, le=1000)] | None, Given] = None
    """Requests in flight at most. Absent: 128, or 32 where the pace is not adaptive."""
    adaptive: bool = True
    """Follow what the server shows (latency, refusals), up to these ceilings."""

    @property
    def in_flight(self) -> int:
        """Requests in flight at most."""
        return self.concurrency or (128 if self.adaptive else 32)


class LimitsSection(Section):
    """When a run stops by itself."""

    max_failures: Annotated[CountOrPercentage | None, Given] = None
    """Failed targets that are put up with; one more halts the run."""
    deadline: Annotated[Annotated[Seconds, Field(gt=0)] | None, Given] = None
    """The run pauses after this long."""


class Plan(Section):
    """A plan file of fleetpatch: one change to many objects."""

    api_version: Literal["fleetpatch/v1"]
    """The format's version."""
    kind: Literal["Plan"]
    """Always Plan."""
    metadata: MetadataSection
    """What the plan is called."""
    fleet: ListOf[ClusterRef] = ()
    """The clusters. Absent: one, the kubeconfig's current context."""
    targets: ListOf[TargetBlock]
    """The objects: the union of these blocks."""
    patch: PatchSection
    """What changes in each."""
    guards: GuardsSection = GuardsSection()
    """What keeps the run from doing harm."""
    pace: PaceSection = PaceSection()
    """How fast it goes."""
    retry: RetrySection = RetrySection()
    """What is tried again."""
    limits: Annotated[LimitsSection | None, Given] = None
    """When it stops by itself."""
    waves: Annotated[WavesSection | None, Given] = None
    """In which steps it goes."""
    window: Annotated[WindowSection | None, Given] = None
    """When it may go."""
    lock: Annotated[LockSection | None, Given] = None
    """What keeps other machines out meanwhile."""

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.metadata.name

    def retried(self, cluster: str) -> frozenset[int]:
        """Give the statuses that are sent again to the cluster of that name."""
        own = (ref.retry for ref in self.fleet if ref.name == cluster)
        return frozenset((next(own, None) or self.retry).statuses)


class _PlanFileSchema(GenerateJsonSchema):
    """Describes what a file may contain: None is a default of the models, and never written."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default") in (None, [], {}, ""):
            described.pop("default", None)
        return described


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the plan file, for editors."""
    schema = Plan.model_json_schema(by_alias=True, schema_generator=_PlanFileSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "fleetpatch plan"}
