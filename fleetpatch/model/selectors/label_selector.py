"""The label selector: a value that parses, renders and matches as the API server does.

A selector is a conjunction, so the order and repetition of its terms mean nothing: selectors with
the same meaning are equal, and are rendered in the same way. The grammar is the API server's::

    selector    = [ requirement *( "," requirement ) ]
    requirement = key | "!" key | key ( "=" | "==" | "!=" | ">" | "<" ) [ value ]
                | key ( "in" | "notin" ) "(" [ value ] *( "," [ value ] ) ")"

A word is anything between blanks and symbols. Where an operator is not expected, `in` and `notin`
are ordinary words (`in in (in)` is a selector). A missing value is the empty one: `a=`, `a in ()`.

One quirk of `k8s.io/apimachinery/pkg/labels` is kept: the second of two commas in a row may not be
followed by `)`, so `a in (b,,)` is refused and `a in (b,,,)` is not. Another one is not kept: there
a NUL character ends the text; here it is refused.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

import msgspec

from fleetpatch.model.names import problem_of_label_key, problem_of_label_value, show
from fleetpatch.model.selectors.requirement import Operator, Requirement, SelectorError, int64

_TOKEN: Final = re.compile(
    r"[ \t\r\n]*(?:(?P<symbol>==|!=|[=!(),<>])|(?P<word>[^ \t\r\n=!(),<>]+))"
)

_OPERATORS: Final = MappingProxyType(
    {
        "in": Operator.IN,
        "notin": Operator.NOT_IN,
        "=": Operator.EQUALS,
        "==": Operator.EQUALS,
        "!=": Operator.NOT_EQUALS,
        ">": Operator.GREATER_THAN,
        "<": Operator.LESS_THAN,
    }
)

# Words that people write from other query languages.
_HINTS: Final = MappingProxyType(
    {
        "gt": "write 'key>5'",
        "lt": "write 'key<5'",
        "not": "write 'key notin (a, b)', in one word",
        "and": "join requirements with ','",
        "&&": "join requirements with ','",
        "or": "selectors have no 'or'; write 'key in (a, b)', or another block of targets",
        "||": "selectors have no 'or'; write 'key in (a, b)', or another block of targets",
    }
)


class Selector(msgspec.Struct, frozen=True):
    """A label selector; without requirements it matches everything.

    `requirements` are sorted by key, operator and values, without duplicates.
    """

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """Parse `app in (etl, train), tier != gold`. Raises SelectorError."""
        # A set, because a repeated requirement has no meaning; sorted, so that equal selectors have
        # equal text.
        found = set(_Parser(text).selector())
        return cls(tuple(sorted(found, key=lambda one: (one.key, one.operator, one.values))))

    @property
    def is_empty(self) -> bool:
        """Whether it matches every object."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Report whether an object with these labels meets every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        """Render in canonical form, `app in (etl,train),tier!=gold`; parses to an equal value."""
        return ",".join(map(str, self.requirements))


class _Kind(Enum):
    WORD = auto()
    SYMBOL = auto()
    END = auto()


class _Token(msgspec.Struct, frozen=True):
    kind: _Kind
    text: str
    offset: int

    def __str__(self) -> str:
        return "the end" if self.kind is _Kind.END else show(self.text)

    @property
    def is_word(self) -> bool:
        return self.kind is _Kind.WORD

    def is_symbol(self, text: str) -> bool:
        return self.kind is _Kind.SYMBOL and self.text == text

    @property
    def ends_requirement(self) -> bool:
        """Whether the requirement is complete before this token."""
        return self.kind is _Kind.END or self.is_symbol(",")


def _tokens(text: str) -> Iterator[_Token]:
    # Only trailing blanks match neither alternative, so the loop reads all of the text.
    offset = 0
    while found := _TOKEN.match(text, offset):
        kind = _Kind.WORD if found["word"] else _Kind.SYMBOL
        yield _Token(kind, found[kind.name.lower()], found.start(kind.name.lower()))
        offset = found.end()
    yield _Token(_Kind.END, "", len(text))


class _Parser:
    """A recursive descent parser over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0

    def selector(self) -> Iterator[Requirement]:
        if self._peek().kind is _Kind.END:
            return
        while True:
            yield self._requirement()
            token = self._take()
            if token.kind is _Kind.END:
                return
            if not token.is_symbol(","):
                raise self._unexpected(token, "',' or the end")

    def _requirement(self) -> Requirement:
        if self._peek().is_symbol("!"):
            self._take()
            return Requirement(self._key(), Operator.DOES_NOT_EXIST)
        key = self._key()
        if self._peek().ends_requirement:
            return Requirement(key, Operator.EXISTS)
        operator = self._operator()
        if operator in {Operator.IN, Operator.NOT_IN}:
            return Requirement(key, operator, tuple(sorted(self._values())))
        return Requirement(key, operator, (self._value(operator),))

    def _key(self) -> str:
        token = self._take()
        if not token.is_word:
            raise self._unexpected(token, "a label key")
        self._check(token, problem_of_label_key(token.text))
        return token.text

    def _operator(self) -> Operator:
        token = self._take()
        operator = _OPERATORS.get(token.text)
        if operator is None:
            raise self._unexpected(token, "one of = == != in notin > <")
        return operator

    def _value(self, operator: Operator) -> str:
        token = self._peek()
        text = "" if token.ends_requirement else self._word("a value")
        if operator in {Operator.GREATER_THAN, Operator.LESS_THAN} and int64(text) is None:
            raise SelectorError(
                self._text,
                token.offset,
                f"'{operator}' compares integers of 64 bits, and {token} is not one",
            )
        return text

    def _values(self) -> set[str]:
        opening = self._take()
        if not opening.is_symbol("("):
            raise self._unexpected(opening, "'(' and a list of values")
        values: set[str] = set()
        # `()` is a list of one empty value.
        if self._peek().is_symbol(")"):
            values.add("")
        while not self._peek().is_symbol(")"):
            if self._peek().is_symbol(","):
                values |= self._comma(first=not values)
            else:
                values.add(self._word("a value, ',' or ')'"))
                if self._peek().is_word:
                    raise self._unexpected(self._peek(), "',' or ')'")
        self._take()
        return values

    def _comma(self, *, first: bool) -> set[str]:
        """Consume one or two commas of a list; return the empty value if one is next to them."""
        self._take()
        if self._peek().is_symbol(")"):
            return {""}
        if not self._peek().is_symbol(","):
            return {""} if first else set()
        self._take()
        if self._peek().is_symbol(")"):
            raise self._unexpected(self._peek(), "a value after ',,'")
        return {""}

    def _word(self, expected: str) -> str:
        token = self._take()
        if not token.is_word:
            raise self._unexpected(token, expected)
        self._check(token, problem_of_label_value(token.text))
        return token.text

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        # The last token is the end, which stays, so that an error at the end has a place.
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _check(self, token: _Token, problem: str | None) -> None:
        if problem:
            raise SelectorError(self._text, token.offset, problem)

    def _unexpected(self, token: _Token, expected: str) -> SelectorError:
        hint = _HINTS.get(token.text.lower())
        tail = f"; {hint}" if hint else ""
        return SelectorError(self._text, token.offset, f"found {token}, expected {expected}{tail}")
