"""The rules by which a server of some version merges the objects of a kind.

The tags of the API types change from version to version (`fleetpatch.rules.patching.merge_schema`).
What a server publishes of its own schema decides (`fleetpatch.rules.patching.server_schema`), else
the table of its version. Without both, the rules of *all* tables are kept: where they agree the
rule is certain, and where they differ only the server knows (`undecided`).
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from fleetpatch.model.fields import Json, Path
from fleetpatch.model.providers.tables import is_built_in
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_schema import (
    ATOMIC,
    OPAQUE,
    SET,
    VERSIONS,
    Keyed,
    MergeType,
    Rule,
    Struct,
    field_rule,
    rules_of_types,
    type_of,
    types_of,
)
from fleetpatch.rules.patching.server_schema import ServerSchema

_CURRENT: Final = (1, 23)
"""The first version that is treated as a current one.

Kubernetes 1.23 to 1.28 changed the merges step by step: a strategic merge drops nulls and
directives of new values (`discardNullValuesFromPatch`, `removeDirectives` in apimachinery), and an
apply orders a list as the configuration does (structured-merge-diff 4.2.1).
"""

_KEEPS_NULL_ENTRIES: Final = (1, 22)
"""The first version whose merge patches keep null entries of lists (json-patch 4.11)."""

_PUBLISHES_SCHEMAS: Final = (1, 24)

_META: Final = "apimachinery.pkg.apis.meta.v1.ObjectMeta"
_POD_TEMPLATE: Final = "api.core.v1.PodTemplateSpec"
_JOB_TEMPLATES: Final = ("api.batch.v1.JobTemplateSpec", "api.batch.v1beta1.JobTemplateSpec")


class MergeRules(msgspec.Struct, frozen=True):
    """How the objects of one kind merge on one server.

    - `strategic`, `structured`: the rules of a whole object for strategic merges and for applies,
      one for each table that may be right for the server, the most likely one last.
    - `untyped`: the kind is a custom one, and its schema is not known. Its fields except metadata
      merge by the schema in its CustomResourceDefinition.
    - `legacy`: the server takes the new values of a strategic merge as they are, with nulls and
      directives, and appends what an apply adds to a list.
    - `keeps_null_entries`: a merge patch can put null into a list.
    """

    strategic: tuple[Rule, ...]
    structured: tuple[Rule, ...]
    untyped: bool = False
    legacy: bool = False
    keeps_null_entries: bool = True

    @property
    def by_patch(self) -> Rule:
        """The rule by which the result of a strategic merge is computed."""
        return self.strategic[-1]

    @property
    def by_apply(self) -> Rule:
        """The rule by which the result of a server-side apply is computed."""
        return self.structured[-1]


UNTYPED: Final = MergeRules((Struct({}),), (Struct({}),))
"""Nothing is known about the kind: maps are merged, and only the server knows how lists merge."""


# Computed once for each kind, server version and schema: a fleet has few of each, and the survey
# and every read after a conflict ask for the rules. 256 is far above any fleet and bounds memory.
@lru_cache(maxsize=256)
def merge_rules(
    resource: Resource, version: str = "", schema: ServerSchema | None = None
) -> MergeRules:
    """The rules for `resource` on a server of `version` ("1.20") that publishes `schema`.

    The version is "" if it is unknown.
    """
    tables = (version,) if version in VERSIONS else VERSIONS
    custom = not is_built_in(resource)
    root = _custom_root if custom else _root
    strategic = tuple(root(types_of(table, by_apply=False), resource) for table in tables)
    structured = tuple(root(types_of(table, by_apply=True), resource) for table in tables)
    published = schema.root(resource) if schema is not None else ""
    if schema is not None and published:
        structured = (_with_metadata(_rules_in(schema, by_apply=True)[published], structured[-1]),)
        # A custom kind has no strategic merge, and a server keeps what is empty in its fields.
        strategic = strategic if custom else (_rules_in(schema, by_apply=False)[published],)
    return MergeRules(
        strategic,
        structured,
        custom and not published,
        # A server of unknown version is most likely a current one.
        legacy=bool(version) and _numbers(version) < _CURRENT,
        keeps_null_entries=not version or _numbers(version) >= _KEEPS_NULL_ENTRIES,
    )


def undecided(body: Json, rules: MergeRules, *, by_apply: bool) -> list[Path]:
    """The fields in a strategic or apply body that only the server knows how to merge.

    For a kind whose schema is known, these are the lists that it does not contain. For another
    built-in kind they are the lists that no table contains, and the fields for which the tables
    differ. For another custom kind they are all lists and maps directly below its `spec`, `status`
    and other fields: the schema in its definition decides. With a schema that leaves them open, as
    those of job systems often do, an apply replaces `spec.tasks` and even `spec.tfReplicaSpecs` as
    a whole. An entry of a list is named by its position.
    """
    trees = rules.structured if by_apply else rules.strategic
    if not rules.untyped:
        return list(_undecided(body, trees, ()))
    parts = ((name, part) for name, part in body.items() if isinstance(part, Mapping))
    return [
        *_undecided(body.get("metadata"), _within(trees, "metadata"), ("metadata",)),
        *(
            (name, inner)
            for name, part in parts
            if name != "metadata"
            for inner, value in part.items()
            if isinstance(value, Mapping | list)
        ),
    ]


def stored(value: Json, rule: Rule | None) -> Json:
    """The value as an API server stores it: without nulls, directives, empty lists and empty maps.

    This applies to the fields that the tables contain; all others stay as they are.
    """
    # Only structs have fields that are omitted when they are empty (`omitempty` of Go).
    match value, rule:
        case dict(), Struct(fields=fields):
            inner = {name: stored(part, fields.get(name)) for name, part in value.items()}
            return {
                name: part
                for name, part in inner.items()
                if not _is_omitted(name, part, fields.get(name))
            }
        case list(), Keyed(entry=entry):
            return [stored(each, entry) for each in value]
        case _:
            return value


def _is_omitted(name: str, value: Json, rule: Rule | None) -> bool:
    """Return whether an API server stores the field as if it were absent.

    It does so for empty lists, maps and metadata. Another struct may be behind a pointer; then `{}`
    is a value.
    """
    if value is None or name.startswith("$"):
        return True
    if value not in ([], {}):
        return False
    return isinstance(rule, MergeType | Keyed) or (rule is not None and name == "metadata")


def _undecided(value: Json, rules: tuple[Rule | None, ...], path: Path) -> Iterator[Path]:
    match value:
        case dict():
            # The tables differ on whether the map is replaced as a whole.
            if len({rule is ATOMIC for rule in rules}) > 1:
                yield path
                return
            for name, inner in value.items():
                yield from _undecided(inner, _within(rules, name), (*path, name))
        case list():
            # Some table does not contain the list, or the tables differ on how it merges.
            if None in rules or len({_list_form(rule) for rule in rules}) > 1:
                yield path
                return
            # Entries of a set or an atomic list do not merge, so nothing in them is undecided.
            entries = tuple(rule.entry if isinstance(rule, Keyed) else ATOMIC for rule in rules)
            for position, inner in enumerate(value):
                yield from _undecided(inner, entries, (*path, str(position)))


def _list_form(rule: Rule | None) -> MergeType | tuple[str, ...]:
    match rule:
        case Keyed(keys=keys):
            return keys
        case MergeType.SET:
            return SET
        case _:
            return ATOMIC


def _within(rules: tuple[Rule | None, ...], name: str) -> tuple[Rule | None, ...]:
    return tuple(ATOMIC if rule is ATOMIC else field_rule(rule, name) for rule in rules)


def _root(types: Mapping[str, Struct], resource: Resource) -> Rule:
    """The rule of a whole object of a built-in kind.

    A kind that the table does not contain is assumed to hold a pod or job template: most kinds that
    a fleet patches do, and the template types are the same in all of them.
    """
    known = types.get(type_of(resource))
    if known is not None:
        return known
    job = next((types[name] for name in _JOB_TEMPLATES if name in types), OPAQUE)
    spec = Struct({"template": types[_POD_TEMPLATE], "jobTemplate": job})
    return Struct({"metadata": types[_META], "spec": spec})


def _with_metadata(rule: Struct, known: Rule) -> Rule:
    """The rule of a whole object, with that of any object's metadata if its own is left open."""
    metadata = field_rule(known, "metadata")
    if metadata is None or isinstance(rule.fields.get("metadata"), Struct):
        return rule
    return Struct({**rule.fields, "metadata": metadata}, rule.rest)


@lru_cache(maxsize=256)
def _rules_in(schema: ServerSchema, *, by_apply: bool) -> Mapping[str, Struct]:
    return rules_of_types(schema.types, by_apply=by_apply)


def _custom_root(types: Mapping[str, Struct], _resource: Resource) -> Rule:
    return Struct({"metadata": types[_META]})


def publishes_schemas(version: str) -> bool:
    """Whether a server of this version publishes its schema at /openapi/v3; "" if unknown.

    Servers do so by default since 1.24; all of them are current ones.
    """
    return not version or _numbers(version) >= _PUBLISHES_SCHEMAS


def _numbers(version: str) -> tuple[int, ...]:
    # As text, "1.9" would be greater than "1.20".
    return tuple(int(part) for part in version.split("."))


def release(git_version: Any) -> str:
    """The release in the `gitVersion` of a server's `/version`: "1.20" for "v1.20.2"; "" if none.

    Providers add suffixes (`v1.27.3-gke.100`), so only the beginning is parsed.
    """
    found = _RELEASE.match(git_version) if isinstance(git_version, str) else None
    return f"{int(found[1])}.{int(found[2])}" if found else ""


_RELEASE: Final = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")
