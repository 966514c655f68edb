"""Documents by their schema: which fields they have, how two differ, and how they merge.

The schema is `fleetpatch.rules.strategy`'s table, and "a list that it does not know is atomic". Of
a custom kind only the metadata is typed: its definition leaves `spec` and `status` open
(`x-kubernetes-preserve-unknown-fields`), by which each of *their* fields is atomic, maps included.

The three walks follow structured-merge-diff 4.0. Two empty containers are one leaf, so that an
empty map can be a value. Removing the last field of a map leaves null, not the map.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final, TypeAlias

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.rules.strategy import ATOMIC, SET, WHOLE, Keyed, Rule, rule_of
from fleetpatch.sandbox.managing.fieldsets import (
    FIELD,
    Field,
    FieldSet,
    field_step,
    key_step,
    shown,
    value_step,
)

CUSTOM: Final = "CustomObject"
"""The type of an object of a custom kind; the others are `ROOT`."""

_OPEN: Final = "Open"
_CUSTOM_FIELDS: Final[Mapping[str, Rule]] = {
    "metadata": "ObjectMeta",
    "spec": _OPEN,
    "status": _OPEN,
}
_DEFAULT_KEYS: Final = {"protocol": "TCP"}

_Parts: TypeAlias = dict[str, tuple[Value, Rule | None]]


class Difference(Enum):
    """What became of a field."""

    ADDED = auto()
    MODIFIED = auto()
    REMOVED = auto()


def fields_of(value: Json, rule: Rule | None, above: Field = ()) -> Iterator[Field]:
    """Every leaf, and every entry of a list that has keys or is a set."""
    parts = _parts(value, rule)
    if parts is None:
        yield above
        return
    for step, (part, inner) in parts.items():
        if not step.startswith(FIELD):
            yield (*above, step)
        yield from fields_of(part, inner, (*above, step))


def differences(
    old: Value, new: Value, rule: Rule | None, above: Field = ()
) -> Iterator[tuple[Difference, Field]]:
    """How `new` differs from `old`; a container that came or went is itself a difference."""
    if old is new:
        return
    before, after = _both_parts(old, new, rule)
    if before or after:
        for step in {**before, **after}:
            old_part, inner = before.get(step, (ABSENT, None))
            new_part, inner = after.get(step, (ABSENT, inner))
            yield from differences(old_part, new_part, inner, (*above, step))
    elif ABSENT not in (old, new) and not deep_equal(old, new):
        yield Difference.MODIFIED, above
    if old is ABSENT:
        yield Difference.ADDED, above
    elif new is ABSENT:
        yield Difference.REMOVED, above


def merged(live: Value, configuration: Value, rule: Rule | None) -> Json:
    """`live` with all that `configuration` says; new entries come last in a list."""
    if ABSENT in (live, configuration):
        return live if configuration is ABSENT else configuration
    before, after = _both_parts(live, configuration, rule)
    if not before and not after:
        return configuration
    result = {}
    for step in {**before, **after}:
        old, inner = before.get(step, (ABSENT, None))
        new, inner = after.get(step, (ABSENT, inner))
        result[step] = merged(old, new, inner)
    return _assembled(result)


def without(value: Json, doomed: FieldSet, rule: Rule | None) -> Json:
    """`value` without the fields in `doomed`."""
    if not doomed:
        return value
    result = {}
    for step, (part, inner) in (_parts(value, rule) or {}).items():
        if (step,) not in doomed:
            below = frozenset(field[1:] for field in doomed if field[0] == step)
            result[step] = without(part, below, inner)
    return _assembled(result) if result else None


def mistakes(value: Json, rule: Rule | None, above: Field = ()) -> Iterator[str]:
    """What keeps the entries of lists with keys, and of sets, from being told apart."""
    parts = _parts(value, rule)
    if parts is not None and isinstance(value, list):
        if len(parts) < len(value):
            yield f"{shown(above)}: duplicate entries"
        if isinstance(rule, Keyed) and not all(isinstance(entry, dict) for entry in value):
            yield f"{shown(above)}: associative list with keys may not have non-map elements"
    for step, (part, inner) in (parts or {}).items():
        yield from mistakes(part, inner, (*above, step))


def _parts(value: Json, rule: Rule | None) -> _Parts | None:
    """What a container holds, by the steps to it; None for a leaf."""
    if rule is ATOMIC or rule in WHOLE:
        return None
    match value, rule:
        case None, str() | Keyed():
            return {}
        case None, _ if rule is SET:
            return {}
        case dict(), _:
            kind = rule if isinstance(rule, str) else ""
            return {field_step(name): (part, _rule_of(kind, name)) for name, part in value.items()}
        case list(), Keyed(entry=entry):
            return {_key_step(part, rule): (part, entry) for part in value}
        case list(), _ if rule is SET:
            return {value_step(part): (part, None) for part in value}
        case _:
            return None


def _both_parts(old: Value, new: Value, rule: Rule | None) -> tuple[_Parts, _Parts]:
    """The parts of two values of one field; none where they are to be compared as a whole."""
    before = {} if old is ABSENT else _parts(old, rule)
    after = {} if new is ABSENT else _parts(new, rule)
    is_leaf = (before is None and old is not None) or (after is None and new is not None)
    return ({}, {}) if is_leaf else (before or {}, after or {})


def _rule_of(kind: str, field: str) -> Rule | None:
    if kind == CUSTOM:
        return _CUSTOM_FIELDS.get(field)
    return ATOMIC if kind == _OPEN else rule_of(kind, field)


def _key_step(entry: Json, rule: Keyed) -> str:
    if not isinstance(entry, dict):
        return value_step(entry)
    return key_step({key: entry.get(key, _DEFAULT_KEYS.get(key, "")) for key in rule.keys})


def _assembled(parts: dict[str, Any]) -> Json:
    """A map or a list of what it holds, by the steps to it."""
    if all(step.startswith(FIELD) for step in parts):
        return {step.removeprefix(FIELD): part for step, part in parts.items()}
    return list(parts.values())
