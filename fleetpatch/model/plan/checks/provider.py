"""Check the patch against the capabilities of each provider's kinds (`fleetpatch.model.providers`).

When a plan is read, only kinds with unambiguous names are checked. When it is expanded, discovery
has resolved all names, and all kinds are checked. Fields that cannot be patched in any kind are
found elsewhere (`server_fields`).
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import ABSENT, Json, Path, look_up, show
from fleetpatch.model.names import show as quote
from fleetpatch.model.plan.checks.operations import operations, written
from fleetpatch.model.plan.checks.patch import BODIES, DOCUMENTS, METADATA_PARTS, MOVES
from fleetpatch.model.plan.checks.server_fields import TYPE_META
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections, texts_at
from fleetpatch.model.providers import tables
from fleetpatch.model.providers.capability import Capability, ProviderName, QueryParameter
from fleetpatch.model.providers.tables import PROVIDERS, known_resource
from fleetpatch.model.resource import Resource

_TYPES: Final = MappingProxyType({**dict.fromkeys(METADATA_PARTS, PatchType.MERGE), **BODIES})
"""The patch type of each part of a patch."""

_QUERIES: Final = MappingProxyType(
    {
        "fieldManager": QueryParameter.FIELD_MANAGER,
        "force": QueryParameter.FORCE,
        "pretty": QueryParameter.PRETTY,
    }
)
_METADATA_FIELDS: Final[Mapping[str, Path]] = MappingProxyType(
    {part: ("metadata", MOVES.get(part, part)) for part in METADATA_PARTS}
)
_GENERATE_NAME: Final = ("metadata", "generateName")
_CLUSTER_SCOPED: Final = (
    "{kind} are cluster-scoped, and namespaces cannot choose among them; give them a block without"
    " namespaces (-A)"
)
_TOP_LEVEL: Final = (*TYPE_META, "metadata", "spec")
"""The top-level keys of every job kind, except its status."""


Discovered: TypeAlias = tuple[ProviderName, Mapping[str, Resource]]
"""A cluster's provider, and the resources that the plan's names of kinds mean there."""


Unresolved: TypeAlias = tuple[str, Mapping[str, str]]
"""A cluster's name, and what is wrong with each name of a kind that it does not resolve."""


def check_resolved(tree: Json, clusters: Iterable[Unresolved]) -> Iterator[Finding]:
    """Find the names of kinds that clusters do not resolve, with the clusters."""
    where: dict[tuple[str, str], list[str]] = {}
    for cluster, problems in clusters:
        for name, problem in problems.items():
            where.setdefault((name, problem), []).append(cluster)
    for block in (*sections(tree, ("targets",)), ("waves", "check")):
        for place, name in _kinds(tree, block):
            for (wrong, problem), names in where.items():
                if wrong == name:
                    noun = "cluster" if len(names) == 1 else "clusters"
                    yield Finding(place, f"on {noun} {', '.join(names)} {problem}")


def _kinds(tree: Json, block: TreePath) -> Iterator[tuple[TreePath, str]]:
    """Yield the names of all kinds of a block, with their places."""
    yield from texts_at(tree, (*block, "kinds"))
    yield from texts_at(tree, (*block, "dependents"))


def check_providers(tree: Json) -> Iterator[Finding]:
    """Find what the kinds do not accept, for all kinds that are known by their names alone."""
    for provider in _providers(tree):
        for block in sections(tree, ("targets",)):
            for place, name in _kinds(tree, block):
                resource = known_resource(name, provider)
                if resource is not None:
                    yield from check_kind(tree, place, provider, resource)


def check_clusters(
    tree: Json, clusters: Iterable[Discovered], *, dry_run: bool
) -> Iterator[Finding]:
    """Find what the clusters do not accept, after discovery has resolved the names of kinds.

    With `dry_run`, also find kinds without dry runs: their server ignores `dryRun` and stores the
    change.
    """
    for provider, kinds in clusters:
        for block in sections(tree, ("targets",)):
            selects_namespaces = bool(list_at(tree, (*block, "namespaces")))
            for place, name in _kinds(tree, block):
                # `check_resolved` finds the names that mean nothing there.
                if (kind := kinds.get(name)) is None:
                    continue
                if selects_namespaces and not kind.namespaced:
                    yield Finding(place, _CLUSTER_SCOPED.format(kind=kind.name))
                yield from check_kind(tree, place, provider, kind)
                if dry_run:
                    yield from _dry_run(place, provider, kind)


def check_kind(
    tree: Json, place: TreePath, provider: ProviderName, resource: Resource
) -> Iterator[Finding]:
    """Find what `resource` does not accept of the patch; `place` is where the plan names it."""
    capability = tables.capability(provider, resource)
    if capability is None:
        kinds = ", ".join(known.resource.name for known in PROVIDERS[provider].kinds)
        yield Finding(
            place, f"{resource.name} is not a kind of provider {provider}; it has {kinds}"
        )
        return
    yield from _PatchCheck(tree, provider, resource, capability).findings()


def _dry_run(place: TreePath, provider: ProviderName, resource: Resource) -> Iterator[Finding]:
    capability = tables.capability(provider, resource)
    if capability is not None and QueryParameter.DRY_RUN not in capability.query:
        yield Finding(
            place,
            f"{resource.name} of provider {provider} does not support dryRun, and would really be"
            " patched; leave out --dry-run, or try the other kinds in a separate plan"
            f" ({capability.source})",
        )


class _PatchCheck(msgspec.Struct, frozen=True):
    """Compares one patch with the capability of one kind."""

    tree: Json
    provider: ProviderName
    resource: Resource
    capability: Capability

    @property
    def _name(self) -> str:
        return f"{self.resource.name} of provider {self.provider}"

    def findings(self) -> Iterator[Finding]:
        patch = mapping_at(self.tree, ("patch",))
        yield from self._types(patch)
        yield from self._options(patch)
        for key, within in _METADATA_FIELDS.items():
            if key in patch and not self.capability.may_change(within):
                yield self._not_updatable(("patch", key), of_key=True)
        for kind in DOCUMENTS:
            body = patch.get(kind)
            if isinstance(body, dict):
                yield from self._type_meta(body, ("patch", kind))
                for field in self._refused(body, ()):
                    yield self._refusal(field, ("patch", kind, *field), of_key=True)
        for path, operation in operations(self.tree):
            for pointer, field in written(operation):
                if self._is_refused(field):
                    yield self._refusal(field, (*path, pointer), of_key=False)

    def _types(self, patch: dict[str, Json]) -> Iterator[Finding]:
        for key, sent_as in _TYPES.items():
            if key in patch and sent_as not in self.capability.patch_types:
                types = ", ".join(one.name.lower() for one in self.capability.patch_types)
                refused = sent_as.name.lower()
                what = f"{self._name} does not accept {refused} patches; it accepts {types}"
                yield Finding(("patch", key), f"{what} ({self.capability.source})", of_key=True)

    def _options(self, patch: dict[str, Json]) -> Iterator[Finding]:
        for key, query in _QUERIES.items():
            # `force: false` and `pretty: false` are the defaults, and are not sent.
            if patch.get(key, False) is not False and query not in self.capability.query:
                queries = ", ".join(self.capability.query)
                what = f"{self._name} does not accept {query}; it accepts {queries}"
                yield Finding(("patch", key), f"{what} ({self.capability.source})", of_key=True)

    def _type_meta(self, body: dict[str, Json], path: TreePath) -> Iterator[Finding]:
        """Find an apiVersion or kind in a body that differs from the kind that it is sent to."""
        resource, version = self.resource, look_up(body, ("apiVersion",))
        # A resource that is known by its name alone has a group, but no version.
        group = version.rpartition("/")[0] if isinstance(version, str) else None
        is_same = version == resource.api_version if resource.version else group == resource.group
        if version is not ABSENT and not is_same:
            expected = resource.api_version if resource.version else f"{resource.group}/..."
            yield self._other_kind((*path, "apiVersion"), version, expected)
        kind = look_up(body, ("kind",))
        if kind is not ABSENT and resource.kind and kind != resource.kind:
            yield self._other_kind((*path, "kind"), kind, resource.kind)

    def _other_kind(self, path: TreePath, found: Json, expected: str) -> Finding:
        what = (
            f"is {quote(str(found))}, and that of {self._name} is {expected}; remove it, or make"
            " a plan for each kind"
        )
        return Finding(path, what)

    def _refused(self, node: Json, path: Path) -> Iterator[Path]:
        """Yield the outermost fields of a body that cannot be updated."""
        if isinstance(node, dict) and self._is_partly_updatable(path):
            for key, value in node.items():
                if path or key not in TYPE_META:
                    yield from self._refused(value, (*path, key))
        elif self._is_refused(path):
            yield path

    def _is_partly_updatable(self, path: Path) -> bool:
        """Report whether some fields below `path` may change, and some may not."""
        if self.capability.updatable is None:
            # Only single fields are refused then: `generateName`, and unknown top-level fields.
            return path in {(), ("metadata",)}
        inner = (field for field in self.capability.updatable if len(field) > len(path))
        return any(field[: len(path)] == path for field in inner)

    def _is_refused(self, path: Path) -> bool:
        if self.capability.updatable is not None:
            return not self.capability.may_change(path)
        return path[:2] == _GENERATE_NAME or (self._is_job and path[0] not in _TOP_LEVEL)

    @property
    def _is_job(self) -> bool:
        return PROVIDERS[self.provider].capability(self.resource) is not None

    def _refusal(self, field: Path, path: TreePath, *, of_key: bool) -> Finding:
        if self.capability.updatable is not None:
            return self._not_updatable(path, of_key=of_key)
        if field[:2] == _GENERATE_NAME:
            what = "only has an effect when an object is created; remove it"
        else:
            what = (
                f"is not a field of {self._name}, whose server would drop it; it has"
                f" {', '.join(_TOP_LEVEL)}"
            )
        return Finding(path, what, of_key=of_key)

    def _not_updatable(self, path: TreePath, *, of_key: bool) -> Finding:
        fields = ", ".join(map(show, self.capability.updatable or ()))
        what = (
            f"{self._name} cannot be updated there; it accepts {fields} ({self.capability.source})"
        )
        return Finding(path, what, of_key=of_key)


def _providers(tree: Json) -> list[ProviderName]:
    """Return the valid providers of the fleet, each once; Kubernetes if there is no fleet."""
    fleet = sections(tree, ("fleet",))
    named = [mapping_at(tree, path).get("provider", "kubernetes") for path in fleet]
    return [name for name in ProviderName if name in (named or ["kubernetes"])]
