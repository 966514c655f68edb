"""By which rules the objects of a kind merge on a server, by its version.

Tags of the API types change from version to version (`fleetpatch.rules.patching.merge_schema`). A
server of a version without a table, or of one that is not known, has the rules of *all* tables:
where they agree the rule holds, and where they differ the server alone decides (`undecided`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

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
    types_of,
)

_CURRENT: Final = (1, 23)
"""The version from which on servers are taken to merge as current ones do.

Kubernetes 1.23 to 1.28 changed it step by step: a strategic merge drops nulls and directives of
what is new (`discardNullValuesFromPatch`, `removeDirectives` in apimachinery), and an apply orders
a list as the configuration has it (structured-merge-diff 4.2.1).
"""

_KEEPS_NULL_ENTRIES: Final = (1, 22)
"""The version from which on a merge patch keeps null entries of lists (json-patch 4.11)."""

_META: Final = "apimachinery.pkg.apis.meta.v1.ObjectMeta"
_POD_TEMPLATE: Final = "api.core.v1.PodTemplateSpec"
_JOB_TEMPLATES: Final = ("api.batch.v1.JobTemplateSpec", "api.batch.v1beta1.JobTemplateSpec")


@dataclass(frozen=True, slots=True)
class MergeRules:
    """How the objects of one kind merge on one server.

    `strategic` and `structured` (for applies) are the rules of a whole object by each table that
    may hold for the server, the likeliest last. `custom` kinds have no strategic merge, and what
    they hold besides metadata merges as the schema in their definition says. `legacy` servers take
    the new values of a strategic merge as they are, with nulls and directives, and append what an
    apply adds to a list. `keeps_null_entries` tells whether a merge patch can put null into a list.
    """

    strategic: tuple[Rule, ...]
    structured: tuple[Rule, ...]
    custom: bool = False
    legacy: bool = False
    keeps_null_entries: bool = True

    @property
    def by_patch(self) -> Rule:
        """The rule that a strategic merge is foreseen by."""
        return self.strategic[-1]

    @property
    def by_apply(self) -> Rule:
        """The rule that a server-side apply is foreseen by."""
        return self.structured[-1]


UNTYPED: Final = MergeRules((Struct({}),), (Struct({}),))
"""Nothing is known: maps are merged, and of each list the server decides."""


@lru_cache(maxsize=256)
def merge_rules(resource: Resource, version: str = "") -> MergeRules:
    """The rules for `resource` on a server of `version` ("1.20"); empty where it is not known."""
    tables = (version,) if version in VERSIONS else VERSIONS
    custom = not is_built_in(resource)
    root = _custom_root if custom else _root
    return MergeRules(
        tuple(root(types_of(table, by_apply=False), resource) for table in tables),
        tuple(root(types_of(table, by_apply=True), resource) for table in tables),
        custom,
        legacy=bool(version) and _numbers(version) < _CURRENT,
        keeps_null_entries=not version or _numbers(version) >= _KEEPS_NULL_ENTRIES,
    )


def undecided(body: Json, rules: MergeRules, *, by_apply: bool) -> list[Path]:
    """The fields in a strategic or apply body of which only the server knows how they merge.

    For the own kinds these are the lists that no table has, and what the tables disagree on. For a
    custom one they are all lists and maps within the fields of its `spec` and `status`: the schema
    in its definition decides, and by one that leaves them open, as those of the job systems often
    do, an apply replaces `spec.tasks` and even `spec.tfReplicaSpecs` as a whole. An entry of a list
    is named by its position.
    """
    trees = rules.structured if by_apply else rules.strategic
    if not rules.custom:
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
    """The value as an API server keeps it: without nulls, directives, empty lists and empty maps.

    So it is with what the tables know; whatever else is in `value` stays as it is.
    """
    match value, rule:
        case dict(), Struct(fields=fields):
            inner = {name: stored(part, fields.get(name)) for name, part in value.items()}
            return {
                name: part
                for name, part in inner.items()
                if not _is_nothing(name, part, fields.get(name))
            }
        case list(), Keyed(entry=entry):
            return [stored(each, entry) for each in value]
        case _:
            return value


def _is_nothing(name: str, value: Json, rule: Rule | None) -> bool:
    """Tell whether a field is the same as an absent one to an API server.

    Empty lists, maps and metadata are. Another struct may be a pointer, and `{}` a value of it.
    """
    if value is None or name.startswith("$"):
        return True
    if value not in ([], {}):
        return False
    return isinstance(rule, MergeType | Keyed) or (rule is not None and name == "metadata")


def _undecided(value: Json, rules: tuple[Rule | None, ...], path: Path) -> Iterator[Path]:
    match value:
        case dict():
            if len({rule is ATOMIC for rule in rules}) > 1:
                yield path
                return
            for name, inner in value.items():
                yield from _undecided(inner, _within(rules, name), (*path, name))
        case list():
            if None in rules or len({_list_form(rule) for rule in rules}) > 1:
                yield path
                return
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

    A kind that no table has is taken for one with a pod or job template in it: Kubernetes has
    several, and the same types in all of them.
    """
    group = resource.group.partition(".")[0] or "core"
    known = types.get(f"api.{group}.{resource.version}.{resource.kind}")
    if known is not None:
        return known
    job = next((types[name] for name in _JOB_TEMPLATES if name in types), OPAQUE)
    spec = Struct({"template": types[_POD_TEMPLATE], "jobTemplate": job})
    return Struct({"metadata": types[_META], "spec": spec})


def _custom_root(types: Mapping[str, Struct], _resource: Resource) -> Rule:
    return Struct({"metadata": types[_META]})


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def release(git_version: Any) -> str:
    """The release that a server's `/version` names: "1.20" of "v1.20.2"; empty where none does."""
    found = _RELEASE.match(git_version) if isinstance(git_version, str) else None
    return f"{int(found[1])}.{int(found[2])}" if found else ""


_RELEASE: Final = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")
