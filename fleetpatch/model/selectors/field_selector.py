r"""The field selector: `metadata.name=a,status.successful!=0`, as the API server reads it.

Terms are joined by `,`; the operators are `=`, `==` and `!=`, and a term is split at its first one.
In a value `\` must precede each `,`, `=` and `\`. Blanks are not skipped: they are part of the key
or value. Only the server knows which fields of a kind it can select on; it answers 400 for others.
"""

import re
from typing import Final

import msgspec

from fleetpatch.model.names import show
from fleetpatch.model.selectors.requirement import SelectorError

# A final backslash belongs to the term; `_unescaped` reports it with its place.
_TERM: Final = re.compile(r"(?:\\.|[^\\,])*\\?", re.DOTALL)
# The order of the alternatives matters: `=` alone would match the beginning of `==`.
_OPERATOR: Final = re.compile(r"!=|==|=")
_SPECIAL: Final = re.compile(r"[\\,=]")


class FieldTerm(msgspec.Struct, frozen=True):
    """One comparison; `value` is unescaped, `equal` is set for `=` and unset for `!=`."""

    key: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        value = _SPECIAL.sub(lambda found: "\\" + found[0], self.value)
        return f"{self.key}{'=' if self.equal else '!='}{value}"


class FieldSelector(msgspec.Struct, frozen=True):
    """A field selector; without terms it matches everything. Terms are sorted and distinct."""

    terms: tuple[FieldTerm, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FieldSelector":
        """Parse a field selector. Raises SelectorError, with the place in `text`."""
        terms: set[FieldTerm] = set()
        start = 0
        while start <= len(text):
            end = _end_of_term(text, start)
            # The server ignores empty terms: `a=b,` is valid.
            if end > start:
                terms.add(_term(text, start, end))
            start = end + 1
        return cls(tuple(sorted(terms, key=lambda one: (one.key, one.equal, one.value))))

    @property
    def is_empty(self) -> bool:
        """Whether it matches every object."""
        return not self.terms

    def __str__(self) -> str:
        """Render in canonical form; the text parses back to an equal value."""
        return ",".join(map(str, self.terms))


def _end_of_term(text: str, start: int) -> int:
    found = _TERM.match(text, start)
    return found.end() if found else len(text)


def _term(text: str, start: int, end: int) -> FieldTerm:
    found = _OPERATOR.search(text, start, end)
    if not found:
        raise SelectorError(
            text, start, f"{show(text[start:end])} is not a comparison; write field=value"
        )
    key = text[start : found.start()]
    if not key or key != "".join(key.split()):
        raise SelectorError(
            text, start, f"{show(key)} is not a valid field; write field=value, without blanks"
        )
    value = _unescaped(text, found.end(), end)
    return FieldTerm(key, value, equal=found[0] != "!=")


def _unescaped(text: str, start: int, end: int) -> str:
    value, at = [], start
    while at < end:
        char = text[at]
        # The server refuses it, too; `a=b=c` is most likely a missing comma.
        if char == "=":
            raise SelectorError(text, at, "'=' in a value needs a '\\' before it")
        if char == "\\":
            if at + 1 == end or not _SPECIAL.match(text[at + 1]):
                raise SelectorError(text, at, "'\\' is only valid before ',', '=' or '\\'")
            at += 1
            char = text[at]
        value.append(char)
        at += 1
    return "".join(value)
