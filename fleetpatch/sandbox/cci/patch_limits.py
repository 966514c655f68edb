"""The limits of a PATCH in CCI, by the same table that the client uses.

The patch is first carried out as a dry run, and the fields before and after it are compared. So the
form of the patch does not matter; a uid or a resourceVersion that is only a precondition is
accepted, and so is a field that does not change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Json, Path, show
from fleetpatch.model.providers.capability import Capability
from fleetpatch.model.providers.tables import CCI
from fleetpatch.sandbox.apiserver.api import ApiRequest
from fleetpatch.sandbox.apiserver.routes import Route
from fleetpatch.sandbox.apiserver.statuses import Cause, invalid, unsupported_media_type
from fleetpatch.sandbox.apiserver.store import Store
from fleetpatch.sandbox.apiserver.writes import Writes

_BY_SERVER: Final = frozenset(
    {
        ("metadata", "generation"),
        ("metadata", "managedFields"),
        ("metadata", "resourceVersion"),
    }
)
"""Fields that the server itself changes with every patch."""

_DRY_RUN: Final = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class PatchLimits:
    """The limits of one store; kinds that the table does not contain are not limited."""

    store: Store
    writes: Writes

    def check(self, route: Route, request: ApiRequest) -> None:
        """Check a PATCH before it is carried out.

        Raises Refusal: 415 for its type, 422 for a field, and every refusal of the API itself.
        """
        capability = CCI.capability(route.resource)
        before = self.store.get(route.resource, route.namespace, route.name)
        # The API itself answers requests for unknown objects.
        if capability is None or before is None:
            return
        if request.media_type not in capability.patch_types:
            raise unsupported_media_type(capability.patch_types, custom=True)
        parameters = {**request.parameters, **_DRY_RUN}
        after = self.writes.patch(route, request.content_type, request.body, parameters)
        fields = list(_forbidden(before, after, capability))
        if fields:
            causes = [_cause(field, capability) for field in fields]
            raise invalid(route.resource.group, route.resource.kind, route.name, causes)


def _forbidden(before: Json, after: Json, capability: Capability, at: Path = ()) -> Iterator[Path]:
    """The fields below `at` that differ although they may not change, each as high as possible."""
    # The root is never updatable as such, so the walk goes down from there.
    if deep_equal(before, after) or at in _BY_SERVER or (at and capability.may_change(at)):
        return
    if not _holds_updatable(at, capability):
        yield at
        return
    old, new = (each if isinstance(each, Mapping) else {} for each in (before, after))
    for key in sorted(old.keys() | new.keys()):
        yield from _forbidden(old.get(key), new.get(key), capability, (*at, key))


def _holds_updatable(at: Path, capability: Capability) -> bool:
    """Whether a field below `at` may change."""
    return any(field[: len(at)] == at for field in capability.updatable or ())


def _cause(field: Path, capability: Capability) -> Cause:
    allowed = ", ".join(show(each) for each in capability.updatable or ())
    why = f"Forbidden: may not be updated; fields that may: {allowed}"
    return Cause(show(field), why, "FieldValueForbidden")
