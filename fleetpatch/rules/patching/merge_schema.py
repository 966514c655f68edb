"""How each field of an API type merges, in one version of Kubernetes.

The tags of an API type tell: `patchStrategy` and `patchMergeKey` for a strategic merge patch,
`listType`, `listMapKey` and `mapType` for a server-side apply, which falls back on the former. A
server publishes them at `/openapi/v2`; `scripts/merge-table` makes a table of them, and `tables/`
has one for each of VERSIONS (tests/differential compares that of 1.20 with a real server).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

import msgspec


class MergeType(Enum):
    """How a field without a structure of its own merges."""

    ATOMIC = "atomic"
    """Not at all: the new list or map replaces the old one."""
    SET = "set"
    """A list of scalars: the two are united."""
    MAP = "map"
    """Keys are free; values are merged key by key."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A list of maps; those with the same values of all `keys` are one entry, and merge."""

    keys: tuple[str, ...]
    entry: "Rule | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A map whose fields merge by rules of their own, those not named by that of the `rest`."""

    fields: Mapping[str, "Rule"] = field(repr=False)
    rest: "Rule | None" = None


Rule: TypeAlias = MergeType | Keyed | Struct
"""How a field merges. None in its place: the field is not known."""

ATOMIC: Final = MergeType.ATOMIC
SET: Final = MergeType.SET
MAP: Final = MergeType.MAP

_TABLES: Final = Path(__file__).parent / "tables"

VERSIONS: Final = ("1.20", "1.36")
"""The versions that there is a table for, oldest first."""

OPAQUE: Final = Struct({})
"""A type without lists, maps and objects in it."""


def field_rule(rule: Rule | None, name: str) -> Rule | None:
    """The rule of a field within what merges by `rule`."""
    return rule.fields.get(name, rule.rest) if isinstance(rule, Struct) else None


@lru_cache
def types_of(version: str, *, by_apply: bool) -> Mapping[str, Struct]:
    """Every type of a table, as one way of merging sees it."""
    types = _table(version).types
    fields: dict[str, dict[str, Rule]] = {name: {} for name in types}
    structs = {name: Struct(inner) for name, inner in fields.items()}
    whole = {name for name, lines in types.items() if by_apply and "" in lines}
    known: dict[str, Rule] = {name: ATOMIC if name in whole else structs[name] for name in types}
    rule = _applied_by if by_apply else _patched_by
    for name, lines in types.items():
        fields[name].update({key: rule(line, known) for key, line in lines.items() if key})
    return structs


class _Field(msgspec.Struct, rename="kebab", omit_defaults=True):
    """A line of a table: what an API type says of one field, or (`map_type` alone) of itself."""

    form: str = msgspec.field(default="", name="is")
    of: str = ""
    patch_strategy: str = ""
    patch_merge_key: str = ""
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""


class _Table(msgspec.Struct):
    version: str
    types: dict[str, dict[str, _Field]]


@lru_cache
def _table(version: str) -> _Table:
    source = _TABLES / f"kubernetes-{version}.json"
    return msgspec.json.decode(source.read_bytes(), type=_Table)


def _patched_by(line: _Field, known: Mapping[str, Rule]) -> Rule:
    """How a strategic merge sees a field."""
    if line.form == "list":
        if "merge" not in line.patch_strategy.split(","):
            return ATOMIC
        key = line.patch_merge_key
        return Keyed((key,), known.get(line.of, OPAQUE)) if key else SET
    return MAP if line.form == "map" else known.get(line.of, OPAQUE)


def _applied_by(line: _Field, known: Mapping[str, Rule]) -> Rule:
    """How an apply sees a field."""
    match line:
        case _Field(map_type="atomic") | _Field(list_type="atomic"):
            return ATOMIC
        case _Field(list_type="map", list_map_keys=keys, of=of):
            return Keyed(keys, known.get(of, OPAQUE))
        case _Field(list_type="set"):
            return SET
        case _:
            return _patched_by(line, known)
