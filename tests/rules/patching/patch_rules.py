"""The rules of RFC 6902 and RFC 7386, with one or more cases for each, as API servers apply them.

A rule is named by its section. The values are at `/spec/x` of a custom object, which stores any
value; `result` is the value afterwards, REFUSED a 422. Where servers do not follow the RFC, the
case says what they do (evanphx/json-patch v4, by its source). Patches are texts, because a `test`
compares texts.
"""

from dataclasses import dataclass
from typing import Any, Final

REFUSED: Final = object()
"""The patch is refused, and nothing changes."""


@dataclass(frozen=True)
class Case:
    """A value, a patch, and the value after it."""

    rule: str
    before: Any
    patch: str
    result: Any


def _operations(*operations: str) -> str:
    return f"[{','.join(operations)}]"


def add(path: str, value: str) -> str:
    return f'{{"op":"add","path":"/spec/x{path}","value":{value}}}'


def replace(path: str, value: str) -> str:
    return f'{{"op":"replace","path":"/spec/x{path}","value":{value}}}'


def remove(path: str) -> str:
    return f'{{"op":"remove","path":"/spec/x{path}"}}'


def move(source: str, path: str) -> str:
    return f'{{"op":"move","from":"/spec/x{source}","path":"/spec/x{path}"}}'


def copy(source: str, path: str) -> str:
    return f'{{"op":"copy","from":"/spec/x{source}","path":"/spec/x{path}"}}'


def expect(path: str, value: str) -> str:
    return f'{{"op":"test","path":"/spec/x{path}","value":{value}}}'


def _json(rule: str, before: Any, result: Any, *operations: str) -> Case:
    return Case(f"RFC 6902, {rule}", before, _operations(*operations), result)


def _merge(rule: str, before: Any, patch: str, result: Any) -> Case:
    return Case(f"RFC 7386, {rule}", before, f'{{"spec":{{"x":{patch}}}}}', result)


JSON_PATCHES: Final = [
    # 3: the document is a list of operations, done in their order
    _json("3, no operation is a patch, too", {"k": 1}, {"k": 1}),
    _json("3, each operation sees the one before", {}, {"b": 1}, add("/a", "1"), move("/a", "/b")),
    # 4: members of an operation
    _json("4, members of no meaning are ignored", {}, {"a": 1}, add("/a", '1,"more":[2]')),
    _json(
        "4, their order does not matter", {}, {"a": 1}, '{"value":1,"path":"/spec/x/a","op":"add"}'
    ),
    _json("4, an operation needs its op", {}, REFUSED, '{"path":"/spec/x/a","value":1}'),
    _json("4, another op is an error", {}, REFUSED, '{"op":"Add","path":"/spec/x/a","value":1}'),
    _json("4, an operation needs its path", {}, REFUSED, '{"op":"add","value":1}'),
    # 4.1: add
    _json("4.1, a missing entry is added", {"a": 1}, {"a": 1, "b": 2}, add("/b", "2")),
    _json("4.1, an existing entry is replaced", {"a": 1}, {"a": [2]}, add("/a", "[2]")),
    _json("4.1, an entry of a list is inserted", [1, 3], [1, 2, 3], add("/1", "2")),
    _json("4.1, at the length of a list it is appended", [1], [1, 2], add("/1", "2")),
    _json("4.1, at - it is appended", [1], [1, 2], add("/-", "2")),
    _json("4.1, beyond the length it is an error", [1], REFUSED, add("/2", "2")),
    _json("4.1, the parent must exist", {}, REFUSED, add("/a/b", "1")),
    _json("4.1, the parent must be a container", {"a": 1}, REFUSED, add("/a/b", "1")),
    _json("4.1, null is a value", {}, {"a": None}, add("/a", "null")),
    _json("4.1, servers count from the end, too", [1, 2], [1, 9, 2], add("/-2", "9")),
    # 4.2: remove
    _json("4.2, an entry of a map", {"a": 1, "b": 2}, {"b": 2}, remove("/a")),
    _json("4.2, an entry of a list moves the others", [1, 2, 3], [1, 3], remove("/1")),
    _json("4.2, it must exist", {}, REFUSED, remove("/a")),
    _json("4.2, an entry of a list must exist", [1], REFUSED, remove("/1")),
    _json("4.2, - is after the last entry", [1], REFUSED, remove("/-")),
    _json("4.2, servers count from the end, too", [1, 2, 3], [1, 2], remove("/-1")),
    # 4.3: replace
    _json("4.3, an entry of a map", {"a": 1}, {"a": {"b": 2}}, replace("/a", '{"b":2}')),
    _json("4.3, an entry of a list", [1, 2], [1, 9], replace("/1", "9")),
    _json("4.3, an entry of a list must exist", [1], REFUSED, replace("/1", "9")),
    _json("4.3, servers add a missing entry of a map", {}, {"a": 1}, replace("/a", "1")),
    # 4.4: move
    _json("4.4, within a map", {"a": 1}, {"b": 1}, move("/a", "/b")),
    _json(
        "4.4, within a list, by indices after the removal", [1, 2, 3], [2, 3, 1], move("/0", "/2")
    ),
    _json("4.4, over an existing value", {"a": 1, "b": 2}, {"b": 1}, move("/a", "/b")),
    _json("4.4, from must exist", {"b": 1}, REFUSED, move("/a", "/b")),
    _json("4.4, not into itself", {"a": {"b": 1}}, REFUSED, move("/a", "/a/c")),
    _json("4.4, it needs its from", {"a": 1}, REFUSED, '{"op":"move","path":"/spec/x/b"}'),
    _json("4.4, onto itself changes nothing", {"a": 1}, {"a": 1}, move("/a", "/a")),
    # 4.5: copy
    _json("4.5, within a map", {"a": [1]}, {"a": [1], "b": [1]}, copy("/a", "/b")),
    _json("4.5, into a list it is inserted", [1, 2], [2, 1, 2], copy("/1", "/0")),
    _json(
        "4.5, a copy is another value",
        {"a": {"k": 1}},
        {"a": {"k": 1}, "b": {"k": 2}},
        copy("/a", "/b"),
        replace("/b/k", "2"),
    ),
    _json("4.5, servers copy a missing entry as null", {}, {"b": None}, copy("/a", "/b")),
    _json("4.5, but not from a missing container", {}, REFUSED, copy("/a/b", "/c")),
    _json("4.5, and not from beyond a list", [1], REFUSED, copy("/1", "/0")),
    # 4.6: test
    _json("4.6, equal text", {"a": "b"}, {"a": "b"}, expect("/a", '"b"')),
    _json("4.6, other text", {"a": "b"}, REFUSED, expect("/a", '"B"')),
    _json("4.6, a number is not text", {"a": 1}, REFUSED, expect("/a", '"1"')),
    _json("4.6, a boolean is not a number", {"a": True}, REFUSED, expect("/a", "1")),
    _json("4.6, a number is not a boolean", {"a": 0}, REFUSED, expect("/a", "false")),
    _json("4.6, an equal number", {"a": 1.5}, {"a": 1.5}, expect("/a", "1.5")),
    _json(
        "4.6, for servers another text is another number", {"a": 1}, REFUSED, expect("/a", "1.0")
    ),
    _json("4.6, with exponents, too", {"a": 100}, REFUSED, expect("/a", "1e2")),
    _json("4.6, lists in their order", [1, 2], [1, 2], expect("", "[1, 2]")),
    _json("4.6, a list in another order", [1, 2], REFUSED, expect("", "[2, 1]")),
    _json("4.6, a shorter list", [1, 2], REFUSED, expect("", "[1]")),
    _json(
        "4.6, maps in any order", {"a": 1, "b": 2}, {"a": 1, "b": 2}, expect("", '{"b":2,"a":1}')
    ),
    _json("4.6, a map with less", {"a": 1, "b": 2}, REFUSED, expect("", '{"a":1}')),
    _json("4.6, a map with more", {"a": 1}, REFUSED, expect("", '{"a":1,"b":2}')),
    _json("4.6, an empty map is not an empty list", {"a": {}}, REFUSED, expect("/a", "[]")),
    _json("4.6, literals", {"a": True, "b": False}, {"a": True, "b": False}, expect("/b", "false")),
    _json("4.6, null", {"a": None}, {"a": None}, expect("/a", "null")),
    _json("4.6, for servers a missing entry equals null", {}, {}, expect("/a", "null")),
    _json("4.6, null in a map is not missing", {"a": {"b": None}}, REFUSED, expect("/a", "{}")),
    _json(
        "4.6, a test without a value fails for an existing entry",
        {"a": 1},
        REFUSED,
        '{"op":"test","path":"/spec/x/a"}',
    ),
    _json("4.6, the parent must exist", {}, REFUSED, expect("/a/b", "null")),
    _json("4.6, blanks do not matter", {"a": [1]}, {"a": [1]}, expect("/a", "[ 1\n]")),
    # 5: one error discards all operations
    _json("5, earlier operations are discarded", {"a": 1}, REFUSED, add("/b", "2"), remove("/c")),
    _json("5, also after a failed test", {"a": 1}, REFUSED, remove("/a"), expect("/a", "1")),
    # RFC 6901: pointers
    _json("RFC 6901, 4, ~1 is a slash", {"a/b": 1}, {"a/b": 2}, replace("/a~1b", "2")),
    _json("RFC 6901, 4, ~0 is a tilde", {"a~b": 1}, {"a~b": 2}, replace("/a~0b", "2")),
    _json("RFC 6901, 4, ~01 is ~1", {"~1": 1}, {"~1": 2}, replace("/~01", "2")),
    _json("RFC 6901, 5, an empty key", {"": 1}, {"": 2}, replace("/", "2")),
    _json("RFC 6901, 6, escapes of JSON come first", {"a": 1}, {"a": 2}, replace(r"/\u0061", "2")),
    _json("RFC 6901, 4, a key of digits", {"0": 1}, {"0": 2}, replace("/0", "2")),
    _json("RFC 6901, 4, a word is not an index", [1], REFUSED, replace("/a", "2")),
    _json("RFC 6901, 4, servers accept leading zeros", [1], [2], replace("/00", "2")),
    # how servers spell values
    _json(
        "4.6, & as servers write it",
        {"a": "x && y"},
        {"a": "x && y"},
        expect("/a", r'"x \u0026\u0026 y"'),
    ),
    _json("4.6, & itself", {"a": "x && y"}, REFUSED, expect("/a", '"x && y"')),
    _json("4.6, < and >", {"a": "<b>"}, {"a": "<b>"}, expect("/a", r'"\u003cb\u003e"')),
    _json("4.6, digits in capitals", {"a": "<b>"}, REFUSED, expect("/a", r'"\u003Cb\u003E"')),
    _json("4.6, U+2028 as it is", {"a": "\u2028"}, REFUSED, expect("/a", '"\u2028"')),
    _json("4.6, U+2028 escaped", {"a": "\u2028"}, {"a": "\u2028"}, expect("/a", r'"\u2028"')),
    _json("4.6, an escape of a plain letter", {"a": "b"}, REFUSED, expect("/a", r'"\u0062"')),
    _json("4.6, an escaped slash", {"a": "b/c"}, REFUSED, expect("/a", r'"b\/c"')),
    _json("4.6, an escaped emoji", {"a": "🚀"}, REFUSED, expect("/a", r'"\ud83d\ude80"')),
    _json("4.6, an emoji", {"a": "🚀"}, {"a": "🚀"}, expect("/a", '"🚀"')),
    _json("4.6, within a map", {"a": ["<"]}, REFUSED, expect("", '{"a":["<"]}')),
    _json("4.6, keys in any spelling", {"<": 1}, {"<": 1}, expect("", '{"<":1}')),
    _json(
        "4.6, an added value as it was spelled",
        {},
        {"a": "<"},
        add("/a", '"<"'),
        expect("/a", '"<"'),
    ),
    _json("4.6, not in another spelling", {}, REFUSED, add("/a", '"<"'), expect("/a", r'"\u003c"')),
    _json("4.6, numbers, too", {}, {"a": 1}, add("/a", "1.0"), expect("/a", "1.0")),
    _json("4.6, numbers not in another spelling", {}, REFUSED, add("/a", "1.0"), expect("/a", "1")),
    _json(
        "4.6, a copied value as servers spell it",
        {},
        {"a": "<\u0062", "b": "<\u0062"},
        add("/a", r'"<\u0062"'),
        copy("/a", "/b"),
        expect("/b", r'"\u003c\u0062"'),
    ),
    _json(
        "4.6, a moved value as it was spelled",
        {},
        {"b": "<"},
        add("/a", '"<"'),
        move("/a", "/b"),
        expect("/b", '"<"'),
    ),
    _json(
        "4.6, an edited value that was added",
        {},
        {"a": {"b": [1, 2]}},
        add("/a", '{"b": [1.0]}'),
        add("/a/b/-", "2"),
        expect("/a", '{"b":[1.0,2]}'),
    ),
]

MALFORMED_PATCHES: Final = [
    _json("4, a path is text", {}, REFUSED, '{"op":"add","path":5,"value":1}'),
    _json("4, an op is text", {}, REFUSED, '{"op":["add"],"path":"/spec/x","value":1}'),
    _json("4, from is text", {"a": 1}, REFUSED, '{"op":"move","from":true,"path":"/spec/x/b"}'),
    _json("a value has numbers that can be stored", {}, REFUSED, add("/a", "1e400")),
    _json("as deep as they are", {}, REFUSED, add("/a", '[{"b":-1e400}]')),
    _json("also in a test", {"a": 1}, REFUSED, expect("/a", "1e400")),
]
"""Patches that a server since Kubernetes 1.25 refuses when it decodes them (400 instead of 422)."""

MERGE_PATCHES: Final = [
    _merge("2, a missing entry is added", {"a": 1}, '{"b":2}', {"a": 1, "b": 2}),
    _merge("2, an existing entry is replaced", {"a": 1}, '{"a":"2"}', {"a": "2"}),
    _merge("2, null removes", {"a": 1, "b": 2}, '{"a":null}', {"b": 2}),
    _merge("2, null for a missing entry does nothing", {"b": 2}, '{"a":null}', {"b": 2}),
    _merge("2, maps merge", {"a": {"b": 1, "c": 2}}, '{"a":{"c":3,"b":null}}', {"a": {"c": 3}}),
    _merge("2, an empty map changes nothing", {"a": {"b": 1}}, '{"a":{}}', {"a": {"b": 1}}),
    _merge("2, a map in place of a scalar", {"a": 1}, '{"a":{"b":2,"c":null}}', {"a": {"b": 2}}),
    _merge("2, a map in place of a list", [1], '{"b":2,"c":null}', {"b": 2}),
    _merge("2, a map in place of null", {"a": None}, '{"a":{"c":null}}', {"a": {}}),
    _merge("2, nulls in a new map are left out", {}, '{"a":{"b":{"c":null}}}', {"a": {"b": {}}}),
    _merge("2, a scalar in place of a map", {"a": {"b": 1}}, '{"a":false}', {"a": False}),
    _merge("2, a list in place of a map", {"a": {"b": 1}}, '{"a":[1]}', {"a": [1]}),
    _merge("2, lists are replaced", {"a": [1, 2]}, '{"a":[3]}', {"a": [3]}),
    _merge("2, and not merged entry by entry", [{"a": 1}], '[{"b":2}]', [{"b": 2}]),
    _merge("2, an existing null stays", {"a": None}, '{"b":1}', {"a": None, "b": 1}),
    _merge(
        "2, `a null in a list is a value`: servers drop it in maps",
        None,
        '[{"b":null,"c":1}]',
        [{"c": 1}],
    ),
    _merge("2, in a list that replaces one", [1], '[{"b":null}]', [{}]),
    _merge("2, in one that replaces a scalar", {"a": "b"}, '{"a":[{"b":null}]}', {"a": [{}]}),
    _merge("2, in one that replaces null", {"a": None}, '{"a":[{"b":null}]}', {"a": [{}]}),
    _merge("2, at any depth", None, '[[{"a":[{"b":null}]}]]', [[{"a": [{}]}]]),
    _merge("2, in a list that replaces a map it stays", {"a": 1}, '[{"b":null}]', [{"b": None}]),
    _merge(
        "2, within new maps it is dropped",
        {"k": 1},
        '{"a":{"b":[{"c":null}]}}',
        {"k": 1, "a": {"b": [{}]}},
    ),
    _merge("2, a boolean is not a number", {"a": 1}, '{"a":true}', {"a": True}),
]

OLD_MERGE_PATCHES: Final = [
    _merge("2, old servers drop a null entry", [1], "[null,1]", [1]),
    _merge("2, also of a new list", None, "[null]", []),
    _merge("2, at any depth", None, '[[null,{"a":[null]}]]', [[{"a": []}]]),
    _merge("2, but not where a map was", {"a": 1}, "[null,1]", [None, 1]),
]
"""How servers before Kubernetes 1.22 treat null entries; later ones keep them."""


def spec_of(value: Any) -> dict[str, Any]:
    """The spec with a case's value; None means no value."""
    return {} if value is None else {"x": value}
