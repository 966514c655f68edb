"""Find protected and invalid keys of labels and annotations that a patch writes, in any form.

Only patch bodies are checked for invalid keys and values; the sections check the other parts. A
patch that writes a whole map is found elsewhere (`documents`, `operations`).
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.model.names import (
    problem_of_annotation_key,
    problem_of_label_key,
    problem_of_label_value,
)
from fleetpatch.model.patterns import beginning, is_pattern
from fleetpatch.model.plan.checks.operations import operations, written
from fleetpatch.model.plan.checks.patch import DOCUMENTS, MOVES
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import mapping_at, texts_at
from fleetpatch.model.protected import owned_within, owner_of

_MAPS: Final = ("labels", "annotations")


class _Written(msgspec.Struct, frozen=True):
    """A key that is written in `map`, and its new value; ABSENT if the value is unknown."""

    path: TreePath
    map: str
    key: str
    value: Value
    of_key: bool = True


def check_keys(tree: Json) -> Iterator[Finding]:
    """Find protected keys that the patch writes, and keys and values that are not valid."""
    allowed = {key for _, key in texts_at(tree, ("guards", "allowKeys"))}
    # The sections have checked the form of these keys already.
    for one in (*_set(tree), *_moved(tree)):
        yield from _protected(one, allowed)
    for one in (*_in_documents(tree), *_in_operations(tree)):
        yield from _protected(one, allowed)
        yield from _valid(one)


def _set(tree: Json) -> Iterator[_Written]:
    for name in _MAPS:
        path = ("patch", name)
        for key in mapping_at(tree, path):
            yield _Written((*path, key), name, key, ABSENT)


def _moved(tree: Json) -> Iterator[_Written]:
    for part, name in MOVES.items():
        path = ("patch", part)
        for old, new in mapping_at(tree, path).items():
            # A copy only reads the old key; a rename removes it.
            if part.startswith("rename"):
                yield _Written((*path, old), name, old, ABSENT)
            if isinstance(new, str):
                yield _Written((*path, old), name, new, ABSENT, of_key=False)


def _in_documents(tree: Json) -> Iterator[_Written]:
    for kind in DOCUMENTS:
        for name in _MAPS:
            path = ("patch", kind, "metadata", name)
            for key, value in mapping_at(tree, path).items():
                if not key.startswith("$"):  # a strategic directive; see `documents`
                    yield _Written((*path, key), name, key, value)


def _in_operations(tree: Json) -> Iterator[_Written]:
    for path, operation in operations(tree):
        sets = operation.get("op") in ("add", "replace")
        for pointer, field in written(operation):
            match field:
                case ("metadata", ("labels" | "annotations") as name, key):
                    value = operation.get("value", ABSENT) if sets else ABSENT
                    yield _Written((*path, pointer), name, key, value, of_key=False)
                case _:
                    continue


def _protected(one: _Written, allowed: set[str]) -> Iterator[Finding]:
    if is_pattern(one.key):
        yield from _protected_within(one, allowed)
        return
    owner = owner_of(one.key)
    if owner is not None and one.key not in allowed:
        what = (
            f"{one.key!r} belongs to {owner.name}: {owner.why}; remove it, or name it in"
            " guards.allowKeys (--allow-key)"
        )
        yield Finding(one.path, what, of_key=one.of_key)


def _protected_within(one: _Written, allowed: set[str]) -> Iterator[Finding]:
    """Find a pattern that may remove protected keys: which ones is known only for each object."""
    begins = beginning(one.key)
    for key, owner in owned_within(begins):
        # A '*' alone is not a valid pattern, which its section reports.
        if begins and key not in allowed:
            what = (
                f"{one.key!r} includes {key}, which belongs to {owner.name}: {owner.why}; write a"
                " longer prefix, or the keys to remove"
            )
            yield Finding(one.path, what, of_key=one.of_key)
            return


def _valid(one: _Written) -> Iterator[Finding]:
    """Find keys and values that the server would refuse for each object."""
    of_key = problem_of_label_key if one.map == "labels" else problem_of_annotation_key
    if problem := of_key(one.key):
        yield Finding(one.path, problem, of_key=one.of_key)
    place = one.path if one.of_key else (*one.path[:-1], "value")
    match one.value:
        case str(text):
            if one.map == "labels" and (problem := problem_of_label_value(text)):
                yield Finding(place, problem)
        case None if one.of_key:
            pass  # in a document, null removes the key; in an operation it is not valid
        case value if value is not ABSENT:
            yield Finding(place, "must be text; put it in quotes")
