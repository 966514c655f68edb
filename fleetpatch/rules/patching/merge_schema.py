"""How each field of an API type merges, in one version of Kubernetes.

The tags of an API type define it: `patchStrategy` and `patchMergeKey` for a strategic merge patch;
`listType`, `listMapKey` and `mapType` for a server-side apply, which falls back on the former. A
server publishes the tags at `/openapi/v2`. `scripts/merge-table` makes a table from them, and
`tables/` contains one for each of VERSIONS (tests/differential compares 1.20 with a real server).
"""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.resource import Resource


class MergeType(Enum):
    """How a field without a structure of its own merges."""

    ATOMIC = "atomic"
    """It does not merge: the new list or map replaces the old one."""
    SET = "set"
    """A list of scalars: the result is the union of both lists."""
    MAP = "map"
    """A map with arbitrary keys: values are merged key by key."""
    OPEN = "open"
    """Any value: maps merge key by key at any depth, and lists are replaced as a whole."""


class Keyed(msgspec.Struct, frozen=True):
    """A list of maps; two maps with the same values of all `keys` are one entry and merge."""

    keys: tuple[str, ...]
    entry: "Rule | None" = None


class Struct(PartialRepr, frozen=True, eq=False):
    """A map whose fields have their own rules; `rest` is the rule of fields not in `fields`.

    It is compared by identity and shown without its fields: each table has it once, and an object's
    type is a tree of hundreds of fields.
    """

    _printed: ClassVar = ("rest",)

    fields: Mapping[str, "Rule"]
    rest: "Rule | None" = None


Rule: TypeAlias = MergeType | Keyed | Struct
"""How a field merges. None instead of a rule means that the field is unknown."""

ATOMIC: Final = MergeType.ATOMIC
SET: Final = MergeType.SET
MAP: Final = MergeType.MAP
OPEN: Final = MergeType.OPEN

_TABLES: Final = Path(__file__).parent / "tables"

VERSIONS: Final = ("1.20", "1.36")
"""The versions that have a table, oldest first."""

OPAQUE: Final = Struct({})
"""A type that the tables leave out, because it has no lists, maps or objects (a Quantity)."""


def field_rule(rule: Rule | None, name: str) -> Rule | None:
    """The rule of the field `name` of a value that merges by `rule`; None if it is unknown."""
    if isinstance(rule, Struct):
        return rule.fields.get(name, rule.rest)
    return OPEN if rule is OPEN else None


@lru_cache
def types_of(version: str, *, by_apply: bool) -> Mapping[str, Struct]:
    """The rules of all API types of a version, for applies or for strategic merges."""
    return rules_of_types(_table(version).types, by_apply=by_apply)


def rules_of_types(types: "Types", *, by_apply: bool) -> Mapping[str, Struct]:
    """The rules of these types, for applies or for strategic merges."""
    # Types refer to each other, so all of them are made before their fields are set.
    fields: dict[str, dict[str, Rule]] = {name: {} for name in types}
    structs = {name: Struct(inner) for name, inner in fields.items()}
    known: dict[str, Rule] = {
        name: ATOMIC if by_apply and _is_atomic(lines) else structs[name]
        for name, lines in types.items()
    }
    rule = _apply_rule if by_apply else _strategic_rule
    for name, lines in types.items():
        named = {key: line for key, line in lines.items() if key not in (ITSELF, REST)}
        fields[name].update({key: rule(line, known) for key, line in named.items()})
        if REST in lines:
            force_setattr(structs[name], "rest", rule(lines[REST], known))
    return structs


def _is_atomic(lines: Mapping[str, "FieldLine"]) -> bool:
    return ITSELF in lines and lines[ITSELF].map_type == ATOMIC.value


ITSELF: Final = ""
"""The name of the line that is about a type itself: an apply may replace it as a whole."""

REST: Final = "*"
"""The name of the line that is about all fields of a type that have no line."""


class FieldLine(msgspec.Struct, rename="kebab", omit_defaults=True):
    """A line of a table: the tags of one field, or (`map_type` alone) of the type itself.

    `form` is `list`, `map`, `object`, or `open` for any value; `of` is the type of the entries or
    of the object.
    """

    form: str = msgspec.field(default="", name="is")
    of: str = ""
    patch_strategy: str = ""
    patch_merge_key: str = ""
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""


Types: TypeAlias = Mapping[str, Mapping[str, FieldLine]]
"""The lines of types, by the names of the types and of their fields."""


class _Table(msgspec.Struct):
    version: str
    types: dict[str, dict[str, FieldLine]]


def lines_of(version: str) -> Types:
    """The table of a version: the lines of each type by field, and of the type itself under ""."""
    return _table(version).types


def type_of(resource: Resource) -> str:
    """The name of a built-in kind's type in the tables."""
    # The names of API types have the first label of the group: `rbac` of
    # `rbac.authorization.k8s.io`.
    group = resource.group.partition(".")[0] or "core"
    return f"api.{group}.{resource.version}.{resource.kind}"


@lru_cache
def _table(version: str) -> _Table:
    source = _TABLES / f"kubernetes-{version}.json"
    return msgspec.json.decode(source.read_bytes(), type=_Table)


def _strategic_rule(line: FieldLine, known: Mapping[str, Rule]) -> Rule:
    """The rule of a field for strategic merges."""
    if line.form == "list":
        # A field may have two strategies, such as `merge,retainKeys`.
        if "merge" not in line.patch_strategy.split(","):
            return ATOMIC
        key = line.patch_merge_key
        return Keyed((key,), known.get(line.of, OPAQUE)) if key else SET
    if line.form == "map":
        return Struct({}, known[line.of]) if line.of in known else MAP
    return known.get(line.of, OPAQUE)


def _apply_rule(line: FieldLine, known: Mapping[str, Rule]) -> Rule:
    """The rule of a field for applies."""
    match line:
        case FieldLine(map_type="atomic") | FieldLine(list_type="atomic"):
            return ATOMIC
        case FieldLine(list_type="map", list_map_keys=keys, of=of):
            return Keyed(keys, known.get(of, OPAQUE))
        case FieldLine(list_type="set"):
            return SET
        case FieldLine(form="open"):
            return OPEN
        case _:
            return _strategic_rule(line, known)
