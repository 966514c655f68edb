"""Documents with a schema: which fields they have, how two of them differ, and how they merge.

The schema is the rule of `fleetpatch.rules.patching.merge_schema` for applies. A field that it does
not contain merges like an untyped value: a map field by field, a list as one value.

The functions follow structured-merge-diff 4.0 (Kubernetes 1.20); with their options set, 6.3
(Kubernetes 1.36). Two empty containers are compared as one leaf, so an empty map can be a value.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import partial
from typing import Any, Final, TypeAlias

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.rules.patching.merge_schema import (
    ATOMIC,
    MAP,
    OPEN,
    SET,
    Keyed,
    Rule,
    Struct,
    field_rule,
)
from fleetpatch.rules.patching.structured.fieldsets import (
    FIELD,
    Field,
    FieldSet,
    field_step,
    key_step,
    shown,
    value_step,
)

# The only merge key with a default in the API types (ContainerPort, ServicePort).
_DEFAULT_KEYS: Final = {"protocol": "TCP"}

_Parts: TypeAlias = dict[str, tuple[Value, Rule | None]]


class Difference(Enum):
    """What happened to a field between two states."""

    ADDED = auto()
    MODIFIED = auto()
    REMOVED = auto()


def fields_of(
    value: Json, rule: Rule | None, above: Field = (), *, empty: bool = False
) -> Iterator[Field]:
    """Every leaf, every entry of a keyed list or set, and every entry of a map.

    A struct's field that contains others is not returned itself, only what it contains. With
    `empty`, as on a current server, an empty one is returned.
    """
    parts = _parts(value, rule)
    if parts is None:
        yield above
        return
    for step, (part, inner) in parts.items():
        # Keys of a map and entries of a list can be owned without their content.
        if not _is_named(rule, step) or (empty and part in (None, {})):
            yield (*above, step)
        yield from fields_of(part, inner, (*above, step), empty=empty)


def differences(
    old: Value, new: Value, rule: Rule | None, above: Field = ()
) -> Iterator[tuple[Difference, Field]]:
    """How `new` differs from `old`; an added or removed container is itself a difference."""
    # Documents share what no patch touched, so most of them is skipped here.
    if old is new:
        return
    before, after = _both_parts(old, new, rule)
    if before or after:
        # A dict instead of a set keeps the order of the fields.
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
    """Merge `configuration` into `live`.

    New entries of a list come last. With `as_configured` (structured-merge-diff 4.2.1), the entries
    that the configuration names are in its order, with the others between them.
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


def without(value: Json, removed: FieldSet, rule: Rule | None, *, keep_empty: bool = False) -> Json:
    """`value` without the fields `removed`.

    A container that has no field left becomes null; with `keep_empty`, an empty container.
    """
    if not removed:
        return value
    result = {}
    for step, (part, inner) in (_parts(value, rule) or {}).items():
        if (step,) not in removed:
            below = frozenset(field[1:] for field in removed if field[0] == step)
            result[step] = without(part, below, inner, keep_empty=keep_empty)
    if keep_empty and not result and isinstance(value, dict | list):
        return type(value)()
    return _assembled(result) if result else None


def within_atomic(field: Field, rule: Rule | None) -> Field:
    """The atomic field that contains `field`, or `field` itself if none does."""
    for end, step in enumerate(field):
        if rule is ATOMIC:
            return field[:end]
        rule = _inner_rule(rule, step)
    return field


def with_named(fields: Iterable[Field], rule: Rule | None) -> FieldSet:
    """`fields`, and the fields of structs that contain them."""
    result: set[Field] = set()
    for field in fields:
        inner = rule
        for end, step in enumerate(field, 1):
            outer, inner = inner, _inner_rule(inner, step)
            if end == len(field) or _is_named(outer, step):
                result.add(field[:end])
    return frozenset(result)


def _is_named(rule: Rule | None, step: str) -> bool:
    """Whether the step leads to a field of a struct, and not to an entry of a map or a list."""
    if not isinstance(rule, Struct) or not step.startswith(FIELD):
        return False
    return rule.rest is None or step.removeprefix(FIELD) in rule.fields


def _inner_rule(rule: Rule | None, step: str) -> Rule | None:
    if step.startswith(FIELD):
        return field_rule(rule, step.removeprefix(FIELD))
    return rule.entry if isinstance(rule, Keyed) else None


def mistakes(value: Json, rule: Rule | None, above: Field = ()) -> Iterator[str]:
    """Describe entries of keyed lists and sets that cannot be identified, as the server does."""
    parts = _parts(value, rule)
    if parts is not None and isinstance(value, list):
        # Entries with the same step overwrote each other in `parts`.
        if len(parts) < len(value):
            yield f"{shown(above)}: duplicate entries"
        if isinstance(rule, Keyed) and not all(isinstance(entry, dict) for entry in value):
            yield f"{shown(above)}: associative list with keys may not have non-map elements"
    for step, (part, inner) in (parts or {}).items():
        yield from mistakes(part, inner, (*above, step))


def _interleaved(live: list[str], configured: list[str]) -> list[str]:
    """Steps in the order of the configuration; the others come as early as possible."""
    named, existing = set(configured), set(live)
    remaining = iter(configured)
    shared = iter([step for step in configured if step in existing])
    following = next(shared, None)
    result = []
    for step in live:
        if step not in named:
            result.append(step)
        elif step == following:
            # All configured steps up to this one, which the two-argument `iter` leaves out.
            result += [*iter(partial(next, remaining), step), step]
            following = next(shared, None)
    return [*result, *remaining]


def _parts(value: Json, rule: Rule | None) -> _Parts | None:
    """The parts of a container by their steps; None for a leaf."""
    if rule is ATOMIC:
        return None
    # The schema decides what null is: an empty container of a known type, else a leaf.
    match value, rule:
        case None, Struct() | Keyed():
            return {}
        case None, _ if rule in (SET, MAP, OPEN):
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
    """The parts of two values of one field; both empty where they must be compared as a whole."""
    before = {} if old is ABSENT else _parts(old, rule)
    after = {} if new is ABSENT else _parts(new, rule)
    # A null in place of a container is an empty container. Any other leaf makes both values leaves.
    is_leaf = (before is None and old is not None) or (after is None and new is not None)
    return ({}, {}) if is_leaf else (before or {}, after or {})


def _key_step(entry: Json, rule: Keyed) -> str:
    # `mistakes` reports such an entry; here it must only have some step.
    if not isinstance(entry, dict):
        return value_step(entry)
    return key_step({key: entry.get(key, _DEFAULT_KEYS.get(key, "")) for key in rule.keys})


def _assembled(parts: dict[str, Any]) -> Json:
    """The map or list that has these parts; the steps show which of the two it is."""
    if all(step.startswith(FIELD) for step in parts):
        return {step.removeprefix(FIELD): part for step, part in parts.items()}
    return list(parts.values())
