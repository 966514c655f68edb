"""The types of the capability tables: what a PATCH of a kind may contain, by provider."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Path
from fleetpatch.model.resource import Resource


class ProviderName(StrEnum):
    """The provider whose API a cluster serves (`fleet[].provider`)."""

    KUBERNETES = "kubernetes"
    CCI = "cci"


class QueryParameter(StrEnum):
    """Query parameters of a PATCH."""

    DRY_RUN = "dryRun"
    FIELD_MANAGER = "fieldManager"
    FORCE = "force"
    PRETTY = "pretty"


class Immutable(msgspec.Struct, frozen=True):
    """Fields of a kind that cannot be changed, the `exceptions`, and the source."""

    fields: tuple[Path, ...]
    source: str
    exceptions: str = ""


class Capability(msgspec.Struct, frozen=True):
    """What a PATCH of one kind may contain.

    `updatable` are the fields that may change, each with everything below it; None means any field
    that the server accepts. `source` is where the provider documents this. `immutable` are the
    fields that the server does not let change, where that is documented.
    """

    resource: Resource
    patch_types: tuple[PatchType, ...]
    query: tuple[QueryParameter, ...]
    source: str
    updatable: tuple[Path, ...] | None = None
    immutable: Immutable | None = None

    @property
    def path(self) -> str:
        """The URL path of its objects: `/apis/batch/v1/namespaces/{namespace}/jobs/{name}`."""
        root = f"/apis/{self.resource.group}" if self.resource.group else "/api"
        within = "/namespaces/{namespace}" if self.resource.namespaced else ""
        return f"{root}/{self.resource.version}{within}/{self.resource.plural}/{{name}}"

    def may_change(self, path: Path) -> bool:
        """Report whether the field at `path` may change."""
        return self.updatable is None or any(
            path[: len(field)] == field for field in self.updatable
        )


class Provider(msgspec.Struct, frozen=True):
    """A provider: its job kinds, how to sign in, and what its documentation says about retries.

    - `is_closed`: only `kinds` are served; otherwise `tables.capability` knows about other kinds.
    - `has_kubeconfig`: its clusters are reached through a kubeconfig's context; otherwise the plan
      has their `server` and `auth`.
    - `not_retried`: the statuses that its documentation says not to retry, each with the reason.
    """

    name: ProviderName
    title: str
    kinds: tuple[Capability, ...]
    has_kubeconfig: bool
    is_closed: bool
    not_retried: Mapping[int, str]

    @property
    def takes_field_manager(self) -> bool:
        """Whether a PATCH of every kind accepts the field manager as a query parameter."""
        return all(QueryParameter.FIELD_MANAGER in kind.query for kind in self.kinds)

    def capability(self, resource: Resource) -> Capability | None:
        """Return the table's entry for `resource` in any version, or None."""
        # A cluster may serve a kind in another version than the table names; the rules are the
        # same.
        for known in self.kinds:
            if (known.resource.group, known.resource.plural) == (resource.group, resource.plural):
                return known
        return None
