"""Parses the arguments of `label` and `annotate`, which are those of kubectl.

First the objects: `KINDS` (one or several, with commas), `KIND NAME...` or `KIND/NAME...`. Then the
changes: `KEY=VALUE` sets, `KEY:=EXPR` sets the value of an expression, `KEY-` removes. But for
expressions, the rules are those of kubectl (`GetResourcesAndPairs`,
`ResourceTypeOrNameArgs`). The case of a kind does not matter: `TFJob` is `tfjob`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fleetpatch.errors import UsageError
from fleetpatch.model.fields import Json


class ObjectArguments(NamedTuple):
    """What the arguments say.

    - `objects`: kinds with the names of their objects; without names all that the selectors match.
    - `changes`: the values by key as in a plan's patch: text, `{"cel": text}`, None to remove it.
    """

    objects: Mapping[tuple[str, ...], Sequence[str]]
    changes: Mapping[str, Json]

    @property
    def has_names(self) -> bool:
        """Whether the objects are named."""
        return any(self.objects.values())


def parse(words: Sequence[str]) -> ObjectArguments:
    """Parse the arguments after the verb, without its options. Raises UsageError."""
    # The first word is a kind in any case: `jobs-` is a wrong one, and not a change.
    if "=" in words[0]:
        raise UsageError(f"{words[0]!r}: kinds and names of objects come before the first change")
    first = next((at for at, word in enumerate(words) if at and _is_change(word)), len(words))
    changes = words[first:]
    for word in changes:
        if not _is_change(word):
            raise UsageError(
                f"{word!r}: write KEY=VALUE to set, or KEY- to remove; names of objects come before"
                f" the first change ({changes[0]!r})"
            )
    return ObjectArguments(_objects(words[:first]), _changes(changes))


def _is_change(word: str) -> bool:
    return "=" in word or word.endswith("-")


def _objects(words: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    if any("/" in word for word in words):
        return _by_kind(words)
    kinds = tuple(dict.fromkeys(kind.lower() for kind in words[0].split(",") if kind))
    names = list(dict.fromkeys(words[1:]))
    if names and len(kinds) > 1:
        raise UsageError(
            f"{words[0]}: names of objects need one kind; write {kinds[0]}/{names[0]} and so on for"
            " objects of several kinds"
        )
    return {kinds: names}


def _by_kind(words: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """Group `KIND/NAME` words by kind."""
    names: dict[tuple[str, ...], list[str]] = {}
    for word in words:
        kind, slash, name = word.partition("/")
        if not slash:
            raise UsageError(
                f"{word!r}: with KIND/NAME every object is written so; write KIND/{word}, or"
                " KIND NAME... for objects of one kind"
            )
        if not kind or not name or "/" in name or "," in kind:
            raise UsageError(f"{word!r}: write one kind and one name, as in jobs.batch/etl-7")
        of_kind = names.setdefault((kind.lower(),), [])
        if name not in of_kind:
            of_kind.append(name)
    return names


def _changes(words: Sequence[str]) -> dict[str, Json]:
    changes: dict[str, Json] = {}
    for word in words:
        # A value may end with "-", so "=" decides.
        key, equals, value = word.partition("=")
        if not equals:
            key = word.removesuffix("-")
        # No key ends with ':', and the expression may have further "=".
        of_expression = bool(equals) and key.endswith(":")
        key = key.removesuffix(":") if of_expression else key
        if key in changes:
            raise UsageError(f"{key!r} is given twice; give it once")
        if of_expression:
            changes[key] = {"cel": value}
        else:
            changes[key] = value if equals else None
    return changes
