"""Messages of the runtime in words for the authors of plans."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from fleetpatch.cel.kubernetes import MISSING
from fleetpatch.cel.runtime import Mistake

_UNDECLARED: Final = re.compile(r"undeclared reference to '(.+?)' \(in container ''\)")
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.+?)' applied to '\((.*)\)'")
_OPERATOR: Final = re.compile(r"[\W_]+")
# `_<_(string, timestamp)`, `(string).matches(int64)`, or without types: `_&&_`.
_NO_OVERLOADS: Final = re.compile(
    r"No matching overloads found : "
    r"(?:\((?P<receiver>.*?)\)\.)?(?P<name>.+?)(?:\((?P<types>.*)\))?$"
)
_NO_KEY: Final = re.compile(r'NOT_FOUND: Key not found in map : "?(.*?)"?$', re.DOTALL)
_CODE: Final = re.compile(r"^[A-Z_]{4,}: ")
_TYPES: Final = MappingProxyType(
    {"google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration"}
)
# The first pattern that is found decides.
_SYNTAX: Final = MappingProxyType(
    {
        r"mismatched input '<EOF>'": "the expression ends too early; complete it",
        r"missing '(.*?)' at": r"'\1' is missing",
        r"token recognition error at: '(\")": "the quotes are not closed",
        r"token recognition error at: '(.*)'": r"'\1' is not a part of CEL; remove it",
        r"(?:extraneous|mismatched) input '(.*?)'": r"'\1' is not allowed here",
        r"expression size exceeds .* limit: (\d+)": r"has more than \1 characters; split it",
        r"no viable alternative at input '(.*?)'": r"'\1' is not allowed here",
    }
)
_RUNTIME: Final = MappingProxyType(
    {
        r"returned a result with an exception set": (
            "an optional is within a list or a map; write [?x] for [x], {?key: x} for {key: x},"
            " or x.orValue(...)"
        ),
        r"Iteration budget exceeded": "the expression iterates too often",
        r"SELECT to non-message type": "a field is looked up in a value that is no map",
        r"basic_string: construction from null": "the object has text that is not Unicode",
    }
)


def reworded(mistake: Mistake, text: str, known: Iterable[str]) -> Mistake:
    """Return a mistake that the runtime found in `text`; `known` are the variables' names."""
    if found := _UNDECLARED.fullmatch(mistake.what):
        return _undeclared(found[1], mistake, text, list(known))
    if found := _OVERLOAD.fullmatch(mistake.what):
        return Mistake(mistake.offset, _no_overload(found[1], found[2]))
    if "recursion" in mistake.what:
        what = "is nested too deeply, or has too many operators; split it with variables"
        return Mistake(mistake.offset, what)
    return Mistake(mistake.offset, _first(_SYNTAX, mistake.what))


def what_failed(message: str) -> str:
    """Return why an evaluation failed, from the message of the runtime."""
    if found := _NO_KEY.match(message):
        return f"no such key: {found[1]}"
    if found := _NO_OVERLOADS.search(message):
        types = ", ".join(filter(None, (found["receiver"], found["types"])))
        return _no_overload(found["name"].replace("<jump_condition>", "_?_:_"), types)
    return _first(_RUNTIME, _CODE.sub("", message)) or "the expression failed"


def close(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or ''."""
    found = get_close_matches(name, list(known), n=1)
    return f"did you mean {found[0]}?" if found else ""


def _first(wording: "MappingProxyType[str, str]", message: str) -> str:
    for pattern, words in wording.items():
        if found := re.search(pattern, message):
            return found.expand(words)
    return message.removeprefix("Syntax error: ")


def _undeclared(name: str, mistake: Mistake, text: str, known: list[str]) -> Mistake:
    # The runtime places a call at its bracket, and a path at its last dot.
    start = text.rfind(name.rpartition(".")[2], 0, mistake.offset + len(name) + 1)
    if text[mistake.offset : mistake.offset + 1] == "(":
        offset = max(start, 0)
        hint = MISSING.get(name) or close(name, _FUNCTIONS) or "check its name"
        what = f"there is no function {name}; {hint}"
        if name in _MACROS:
            what = f"{name} takes one variable, of a map the key: m.{name}(key, m[key] == ...)"
    else:
        offset = max(text.rfind(name, 0, mistake.offset + len(name)), 0)
        first, _, rest = name.partition(".")
        own = [one for one in known if one.startswith(f"{first}.")]
        if rest and first in ("tables", "variables"):
            names = ", ".join(one.partition(".")[2] for one in own) or "none"
            what = f"there is no {first[:-1]} {rest}; the plan has {names}"
        else:
            hint = MISSING.get(first) or close(first, known)
            hint = hint or f"there are {', '.join(dict.fromkeys(_roots(known)))}"
            what = f"there is no variable {first}; {hint}"
    return Mistake(offset, what)


def _roots(known: Iterable[str]) -> Iterable[str]:
    return (one.partition(".")[0] for one in known)


def _no_overload(function: str, types: str) -> str:
    for name, word in _TYPES.items():
        types = types.replace(name, word)
    # The operands of an operator are underscores in its name: `_[_]`, `_?_:_`.
    shown = function.replace("_", "") if _OPERATOR.fullmatch(function) else function.strip("@")
    # The times of an object are text until they are converted.
    operands = set(types.split(", "))
    time = next((one for one in _TYPES.values() if operands == {"string", one}), None)
    hint = f"; write {time}(...) around the text" if time else ""
    given = f"these types: ({types}){hint}" if types else "a value of this type"
    return f"{shown} does not take {given}"


_MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
_FUNCTIONS: Final = (
    *("size", "has", "all", "exists", "exists_one", "map", "filter", "contains", "startsWith"),
    *("endsWith", "matches", "split", "join", "replace", "lowerAscii", "upperAscii", "trim"),
    *("substring", "charAt", "indexOf", "lastIndexOf", "string", "int", "double", "timestamp"),
    *("duration", "orValue", "hasValue", "value", "sum", "min", "max", "isSorted", "find"),
    *("findAll", "quantity", "isQuantity", "isGreaterThan", "isLessThan", "compareTo"),
    *("getFullYear", "getMonth", "getDayOfMonth", "getHours", "optMap", "type", "dyn"),
)
"""Functions that a misspelt name is compared with."""
