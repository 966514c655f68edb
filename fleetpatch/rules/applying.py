"""What a server-side apply makes of an object, as far as it can be told beforehand.

What the configuration names is set; what the same field manager applied earlier and leaves out now
goes, unless another manager owns it, too. Who owns what stands in `metadata.managedFields`, as a
tree of `f:name` for fields and `k:`, `v:`, `i:` for entries of lists. Entries that are left out of
a list are not followed.

Lists of Kubernetes' own kinds merge by the table of `fleetpatch.rules.strategy`. Those of custom
kinds, and even their maps, merge as their definition's schema says, which only the server has.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import is_among
from fleetpatch.model.fields import ABSENT, Json, Path, look_up
from fleetpatch.rules.strategy import ROOT, SET, Keyed, Rule, rule_of

_FIELD: Final = "f:"
_ITSELF: Final = "."
_APPLY: Final = "Apply"


def applied(document: Json, configuration: Json, manager: str, *, custom: bool = False) -> Json:
    """The document after `manager` has applied `configuration`; a list not known is replaced."""
    for path in _left_out(document, configuration, manager):
        document = _without(document, path)
    return _with(document, configuration, None if custom else ROOT)


def _with(current: Json, configuration: Json, rule: Rule | None) -> Json:
    match current, configuration:
        case dict(), dict():
            kind = rule if isinstance(rule, str) else ""
            merged = {
                key: _with(current.get(key), value, rule_of(kind, key))
                for key, value in configuration.items()
            }
            return {**current, **merged}
        case list(), list():
            return _with_entries(current, configuration, rule)
        case _:
            return configuration


def _with_entries(current: list[Json], configuration: list[Json], rule: Rule | None) -> list[Json]:
    match rule:
        case Keyed(keys=keys, entry=kind):
            entries = {_key(entry, keys): entry for entry in current}
            for entry in configuration:
                key = _key(entry, keys)
                entries[key] = _with(entries.get(key), entry, kind)
            return list(entries.values())
        case rule if rule is SET:
            return [*current, *(entry for entry in configuration if not is_among(entry, current))]
        case _:
            return configuration


def _key(entry: Json, keys: tuple[str, ...]) -> bytes:
    """What tells an entry from others; a key that is absent is none that is there."""
    return encode([[] if (value := look_up(entry, (key,))) is ABSENT else [value] for key in keys])


def _left_out(document: Json, configuration: Json, manager: str) -> list[Path]:
    """The fields that `manager` applied before, that nobody else owns, and that it drops now."""
    ours: set[Path] = set()
    others: set[Path] = set()
    entries = look_up(document, ("metadata", "managedFields"))
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping):
            continue
        mine = entry.get("manager") == manager and entry.get("operation") == _APPLY
        (ours if mine else others).update(_owned(entry.get("fieldsV1"), ()))
    dropped = (path for path in ours - others if look_up(configuration, path) is ABSENT)
    return [path for path in dropped if not _is_shared(path, others)]


def _owned(fields: Json, path: Path) -> Iterator[Path]:
    """The leaves of a tree of owned fields; where entries of a list follow, the list is left out.

    An empty tree is a field that is owned as a whole.
    """
    if not isinstance(fields, Mapping):
        return
    named = [key for key in fields if key != _ITSELF]
    if not named and path:
        yield path
    for key in named:
        if key.startswith(_FIELD):
            yield from _owned(fields[key], (*path, key.removeprefix(_FIELD)))


def _is_shared(path: Path, others: set[Path]) -> bool:
    """Tell whether somebody else owns something within `path`."""
    return any(other[: len(path)] == path for other in others)


def _without(document: Json, path: Path) -> Json:
    key, *rest = path
    if not isinstance(document, Mapping) or key not in document:
        return document
    if rest:
        return {**document, key: _without(document[key], tuple(rest))}
    return {name: value for name, value in document.items() if name != key}
