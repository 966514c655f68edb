"""Compose YAML text into nodes that know their places.

ruamel.yaml's scanner and parser produce events, and this module composes them. ruamel's composer
cannot be used, because a plan file is stricter than YAML, and *all* mistakes are reported: repeated
keys, keys that are not text, tags, merge keys, a second document. Only a syntax error ends the
reading.

Messages never quote values, because an unquoted password may look like an alias or a tag.

An alias shares the node of its anchor, so a billion-laughs document costs nothing here; `document`
counts the values when it expands the aliases.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace
from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from fleetpatch.model.plan.problems import Place
from fleetpatch.model.plan.yaml.scalars import ScalarValue, resolve
from fleetpatch.model.plan.yaml.scanner import PlanScanner
from fleetpatch.model.plan.yaml.written import Written
from fleetpatch.model.text import is_unicode

_NO_KEY: Final = "a list or mapping cannot be a key; write text before the ':'"
_TEMPLATE: Final = (
    "this looks like a template of another tool ({{ ... }}), which is not filled in here; write the"
    " value, or compute it for each object: {cel: EXPRESSION}"
)

DEEPEST: Final = 50
"""How deep lists and mappings may be nested, because the composer and all checks are recursive."""

_PREFIX: Final = "tag:yaml.org,2002:"
_VERSION: Final = "1.2"
_SURROGATE_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class ScalarNode(msgspec.Struct, frozen=True):
    """A scalar. `source` is its text without quotes.

    `is_plain` is set if it has neither quotes nor a tag, so that its value depends on its text.
    `text_at` is where the text begins, if it is in the file unchanged: in one line, no escapes.
    Otherwise `written` has it as it is in the file.
    """

    value: ScalarValue
    source: str
    place: Place
    text_at: Place | None = None
    is_plain: bool = False
    written: Written | None = None


class SequenceNode(msgspec.Struct, frozen=True):
    """A list."""

    place: Place
    items: list["Node"] = []


class MappingEntry(msgspec.Struct, frozen=True):
    """A key of a mapping and its value."""

    key: ScalarNode
    node: "Node"


class MappingNode(msgspec.Struct, frozen=True):
    """A mapping from the text of each key to its entry."""

    place: Place
    entries: dict[str, MappingEntry] = {}


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode

Report: TypeAlias = Callable[[Place, str], None]
"""Records one problem: where, and what."""


def compose(text: str, report: Report) -> Node | None:
    """Compose the only document of `text`; None if it has none.

    Calls `report` for all problems except syntax errors. Raises ruamel's YAMLError for those, and
    ValueError if lists and mappings are nested too deeply.
    """
    composer = _Composer(text, report)
    return composer.document()


class _Composer:
    def __init__(self, text: str, report: Report) -> None:
        self._text = text
        self._report = report
        self._yaml = YAML(typ="safe", pure=True)
        self._yaml.Scanner = PlanScanner
        self._events: Iterator[Any] = self._yaml.parse(text)
        self._anchors: dict[str, Node | None] = {}
        self._depth = 0

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        # The events of later documents are consumed, so that their syntax errors are reported.
        for event in self._events:
            if not isinstance(event, DocumentStartEvent):
                continue
            documents += 1
            if self._yaml.scanner.declared not in {None, _VERSION}:
                self._report(_place(event), "plan files are YAML 1.2; remove the %YAML line")
            if documents == 1:
                root = self._node(next(self._events))
            else:
                self._report(
                    _place(event), "a second document begins; give each plan a file of its own"
                )
        return root

    def _node(self, event: Any) -> Node:
        match event:
            case AliasEvent():
                return self._alias(event)
            case ScalarEvent():
                return self._anchored(event, self._scalar(event))
            case SequenceStartEvent():
                sequence = SequenceNode(_place(event))
                return self._nested(event, sequence, self._fill_sequence)
            case _:
                mapping = MappingNode(_place(event))
                return self._nested(event, mapping, self._fill_mapping)

    def _nested(self, event: Any, node: Any, fill: Callable[[Any], None]) -> Node:
        self._refuse_tag(event)
        # Registered before the content is read, so that an alias within it is recognized.
        if event.anchor:
            self._anchors[event.anchor] = None
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(
                f"lists and mappings are nested more than {DEEPEST} deep; flatten them"
            )
        fill(node)
        self._depth -= 1
        return self._anchored(event, node)

    def _fill_sequence(self, node: SequenceNode) -> None:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            node.items.append(self._node(event))

    def _fill_mapping(self, node: MappingNode) -> None:
        while not isinstance(event := next(self._events), MappingEndEvent):
            place = _place(event)
            key = self._key(self._node(event), event)
            # The value is composed even if the key is not valid, because of its own mistakes.
            value = _at_key(self._node(next(self._events)), place)
            if key is None:
                continue
            if key.source in node.entries:
                first = node.entries[key.source].key.place
                self._report(
                    place,
                    f"the key {key.source!r} is repeated, first in line {first.line}; remove one",
                )
            else:
                node.entries[key.source] = MappingEntry(key, value)

    def _key(self, node: Node, event: Any) -> ScalarNode | None:
        place = _place(event)
        if not isinstance(node, ScalarNode):
            begins = event.start_mark.index
            is_template = self._text[begins - 1 : begins + 1] == "{{"
            self._report(place, _TEMPLATE if is_template else _NO_KEY)
            return None
        if node.source == "<<" and node.text_at == node.place:
            self._report(place, "merge keys ('<<') are not part of YAML 1.2; write the keys out")
            return None
        if not isinstance(node.value, str):
            self._report(place, f'keys are text; put this one in quotes: "{node.source}"')
        return replace(node, place=place)

    def _alias(self, event: AliasEvent) -> Node:
        node = self._anchors.get(event.anchor)
        if node is not None:
            return node
        # None is the mark of a node that is not complete yet: the alias is within it.
        inside = event.anchor in self._anchors
        self._report(
            _place(event),
            "this alias is within the value of its own anchor; write it out"
            if inside
            else "this is an alias without an anchor before it, as text that begins with '*' is"
            ' without quotes; put quotes around it if it is text, as in "*-prod"',
        )
        return ScalarNode("", "", _place(event))

    def _anchored(self, event: Any, node: Node) -> Node:
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar(self, event: ScalarEvent) -> ScalarNode:
        place, source = _place(event), _joined(str(event.value))
        value: ScalarValue = source
        is_plain = event.ctag is None and event.style is None
        if event.ctag is not None:
            self._refuse_tag(event)
        # Only plain scalars can be something else than text.
        elif is_plain:
            try:
                value = resolve(source)
            except ValueError as problem:
                self._report(place, str(problem))
        if not is_unicode(source):
            self._report(
                place,
                "the text contains a lone surrogate, half of a character; write the whole one",
            )
            value = source = ascii(source)
        text_at = self._text_at(event, source)
        written = None if text_at else self._written(event, place)
        return ScalarNode(value, source, place, text_at, is_plain, written)

    def _written(self, event: ScalarEvent, place: Place) -> Written:
        raw = self._text[event.start_mark.index : event.end_mark.index]
        return Written(raw, place, event.style)

    def _text_at(self, event: ScalarEvent, source: str) -> Place | None:
        """Return where the text begins: at the mark, or after a quotation mark."""
        mark = event.start_mark
        for quote in (0, 1):
            if self._text.startswith(source, mark.index + quote):
                return Place(mark.line + 1, mark.column + 1 + quote)
        return None

    def _refuse_tag(self, event: Any) -> None:
        # These tags do not change how the value is read.
        tag = str(event.ctag) if event.ctag is not None else None
        if tag not in {None, "!", f"{_PREFIX}str", f"{_PREFIX}map", f"{_PREFIX}seq"}:
            self._report(
                _place(event),
                "this is a YAML tag, as text that begins with '!' is without quotes; put quotes"
                ' around it if it is text, as in "!team-a"',
            )


def _at_key(node: Node, key: Place) -> Node:
    """Place an empty value at its key; ruamel.yaml places it at the next token."""
    if isinstance(node, ScalarNode) and node.value is None and not node.source:
        return replace(node, place=key)
    return node


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _joined(text: str) -> str:
    """Join surrogate pairs: JSON escapes characters beyond U+FFFF in two halves."""
    return _SURROGATE_PAIR.sub(
        lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text
    )
