"""Documents by their schema: which fields they have, how two differ, and how they merge.

The schema is the rule of `fleetpatch.rules.patching.merge_schema` for applies. What it does not
know is merged as an untyped value is: a map field by field, a list not at all.

The walks follow structured-merge-diff 4.0 (Kubernetes 1.20), and by their options 6.3 (1.36). Two
empty containers are one leaf, so that an empty map can be a value.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import partial
from typing import Any, Final, TypeAlias

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.rules.patching.merge_schema import ATOMIC, MAP, SET, Keyed, Rule, Struct, field_rule
from fleetpatch.rules.patching.structured.fieldsets import (
    FIELD,
    Field,
    FieldSet,
    field_step,
    key_step,
    shown,
    value_step,
)

_DEFAULT_KEYS: Final = {"protocol": "TCP"}

_Parts: TypeAlias = dict[str, tuple[Value, Rule | None]]


class Difference(Enum):
    """What became of a field."""

    ADDED = auto()
    MODIFIED = auto()
    REMOVED = auto()


def fields_of(
    value: Json, rule: Rule | None, above: Field = (), *, empty: bool = False
) -> Iterator[Field]:
    """Every leaf, every entry of a list that has keys or is a set, and every entry of a map.

    Fields with a name in the schema are fields for what they hold, not by themselves; those that
    are `empty` count for a current server only.
    """
    parts = _parts(value, rule)
    if parts is None:
        yield above
        return
    for step, (part, inner) in parts.items():
        is_named = isinstance(rule, Struct) and step.startswith(FIELD)
        if not is_named or (empty and part in (None, {})):
            yield (*above, step)
        yield from fields_of(part, inner, (*above, step), empty=empty)


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


def merged(
    live: Value, configuration: Value, rule: Rule | None, *, as_configured: bool = False
) -> Json:
    """`live` with all that `configuration` says.

    In a list, new entries come last; or (`as_configured`, structured-merge-diff 4.2.1) all that
    the configuration names are in its order, with the others between them.
    """
    if ABSENT in (live, configuration):
        return live if configuration is ABSENT else configuration
    before, after = _both_parts(live, configuration, rule)
    if not before and not after:
        return configuration
    result = {}
    steps = _interleaved(list(before), list(after)) if as_configured else {**before, **after}
    for step in steps:
        old, inner = before.get(step, (ABSENT, None))
        new, inner = after.get(step, (ABSENT, inner))
        result[step] = merged(old, new, inner, as_configured=as_configured)
    return _assembled(result)


def without(value: Json, doomed: FieldSet, rule: Rule | None, *, keep_empty: bool = False) -> Json:
    """`value` without the fields in `doomed`; null, or with `keep_empty` empty, if none is left."""
    if not doomed:
        return value
    result = {}
    for step, (part, inner) in (_parts(value, rule) or {}).items():
        if (step,) not in doomed:
            below = frozenset(field[1:] for field in doomed if field[0] == step)
            result[step] = without(part, below, inner, keep_empty=keep_empty)
    if keep_empty and not result and isinstance(value, dict | list):
        return type(value)()
    return _assembled(result) if result else None


def within_atomic(field: Field, rule: Rule | None) -> Field:
    """`field`, or the atomic field that it is within."""
    for end, step in enumerate(field):
        if rule is ATOMIC:
            return field[:end]
        rule = _inner_rule(rule, step)
    return field


def with_named(fields: Iterable[Field], rule: Rule | None) -> FieldSet:
    """`fields` and those around them that have a name in the schema."""
    result: set[Field] = set()
    for field in fields:
        inner = rule
        for end, step in enumerate(field, 1):
            outer, inner = inner, _inner_rule(inner, step)
            if end == len(field) or (isinstance(outer, Struct) and step.startswith(FIELD)):
                result.add(field[:end])
    return frozenset(result)


def _inner_rule(rule: Rule | None, step: str) -> Rule | None:
    if step.startswith(FIELD):
        return field_rule(rule, step.removeprefix(FIELD))
    return rule.entry if isinstance(rule, Keyed) else None


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


def _interleaved(live: list[str], configured: list[str]) -> list[str]:
    """Steps in the order of the configuration; what it does not name comes as early as it may."""
    named, there = set(configured), set(live)
    waiting = iter(configured)
    shared = iter([step for step in configured if step in there])
    following = next(shared, None)
    result = []
    for step in live:
        if step not in named:
            result.append(step)
        elif step == following:
            result += [*iter(partial(next, waiting), step), step]
            following = next(shared, None)
    return [*result, *waiting]


def _parts(value: Json, rule: Rule | None) -> _Parts | None:
    """What a container holds, by the steps to it; None for a leaf."""
    if rule is ATOMIC:
        return None
    match value, rule:
        case None, Struct() | Keyed():
            return {}
        case None, _ if rule in (SET, MAP):
            return {}
        case dict(), _:
            return {
                field_step(name): (part, field_rule(rule, name)) for name, part in value.items()
            }
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


def _key_step(entry: Json, rule: Keyed) -> str:
    if not isinstance(entry, dict):
        return value_step(entry)
    return key_step({key: entry.get(key, _DEFAULT_KEYS.get(key, "")) for key in rule.keys})


def _assembled(parts: dict[str, Any]) -> Json:
    """A map or a list of what it holds, by the steps to it."""
    if all(step.startswith(FIELD) for step in parts):
        return {step.removeprefix(FIELD): part for step, part in parts.items()}
    return list(parts.values())
