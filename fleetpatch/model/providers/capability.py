"""What one kind takes from one provider, and where that is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Path
from fleetpatch.model.resource import Resource


class ProviderName(StrEnum):
    """Whose API a cluster serves (`fleet[].provider`)."""

    KUBERNETES = "kubernetes"
    CCI = "cci"


class QueryParameter(StrEnum):
    """Query parameters of a PATCH."""

    DRY_RUN = "dryRun"
    FIELD_MANAGER = "fieldManager"
    FORCE = "force"
    PRETTY = "pretty"


@dataclass(frozen=True, slots=True)
class Capability:
    """What a PATCH of one kind may be.

    `updatable` are the fields that may change, each with all that is below it; None leaves it to
    the server, which refuses what it does not like. `source` says where all that is written.
    """

    resource: Resource
    patch_types: tuple[PatchType, ...]
    query: tuple[QueryParameter, ...]
    source: str
    updatable: tuple[Path, ...] | None = None

    @property
    def path(self) -> str:
        """Where its objects are: `/apis/batch/v1/namespaces/{namespace}/jobs/{name}`."""
        root = f"/apis/{self.resource.group}" if self.resource.group else "/api"
        within = "/namespaces/{namespace}" if self.resource.namespaced else ""
        return f"{root}/{self.resource.version}{within}/{self.resource.plural}/{{name}}"

    def may_change(self, path: Path) -> bool:
        """Tell whether the field at `path` may change."""
        return self.updatable is None or any(
            path[: len(field)] == field for field in self.updatable
        )


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: its job kinds, and what its documentation says about sending again.

    `is_closed` tells that nothing but `kinds` is served; what other kinds take else is told by
    `tables.capability`. `not_retried` are statuses that are not to be retried, as its documentation
    has it.
    """

    name: ProviderName
    title: str
    kinds: tuple[Capability, ...]
    is_closed: bool
    not_retried: Mapping[int, str]

    def capability(self, resource: Resource) -> Capability | None:
        """What the table says of `resource`, whatever its version; None where it is not in it."""
        for known in self.kinds:
            if (known.resource.group, known.resource.plural) == (resource.group, resource.plural):
                return known
        return None
