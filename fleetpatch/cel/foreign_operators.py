"""Operators of other languages in an expression, such as `=`, `and`, `not`: each is one mistake.

The runtime reports the characters and names around such an operator, and not what to write. So a
text that it refuses is searched for them. They are replaced, and the text is compiled again, which
shows its other mistakes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from fleetpatch.cel.runtime import Mistake

_BETWEEN_VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "=": "==",
        "===": "==",
        "!==": "!=",
        "<>": "!=",
        "=>": ">=",
        "=<": "<=",
        "&": "&&",
        "|": "||",
        "and": "&&",
        "or": "||",
    }
)
"""The operators of CEL for those of other languages."""

_TOKEN: Final = re.compile(
    r"""
    (?P<blank> \s+ | //[^\n]* )
    | (?P<literal>
        [bB]?[rR][bB]? (?: '{3}.*?'{3} | "{3}.*?"{3} | '[^'\n]*' | "[^"\n]*" )
        | [bB]? (?: '{3}(?:\\.|[^\\])*?'{3} | "{3}(?:\\.|[^\\])*?"{3} )
        | [bB]? (?: '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*" )
        | \d[\w.]*
      )
    | (?P<unclosed> ["'].* )
    | (?P<member> \.\s*\??\s*(?: \w+ | `[^`\n]*` ) )
    | (?P<closing> [)\]}] )
    | (?P<word> \w+ )
    | (?P<operator> [=!]==? | [<>]= | =[<>~] | <> | = | &+ | \|+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_VALUE_ENDS: Final = frozenset({"literal", "member", "closing", "word"})
_VALUE_BEGINS: Final = frozenset({"literal", "word"})


class ForeignOperator(msgspec.Struct, frozen=True):
    """An operator at `offset` of a text; `cel` takes its place, and is never shorter."""

    offset: int
    text: str
    cel: str
    hint: str

    @property
    def mistake(self) -> Mistake:
        """What to write instead."""
        shown = " ".join(self.text.split())
        return Mistake(self.offset, f"'{shown}' is not an operator of CEL; write '{self.hint}'")


def foreign_operators(text: str) -> Sequence[ForeignOperator]:
    """Return those of a text that the runtime refuses; quoted text and comments have none."""
    return list(_found(text))


def in_cel(text: str, found: Sequence[ForeignOperator]) -> str:
    """Return the text with operators of CEL in their place."""
    for one in reversed(found):
        text = f"{text[: one.offset]}{one.cel}{text[one.offset + len(one.text) :]}"
    return text


def original(mistake: Mistake, found: Sequence[ForeignOperator]) -> Mistake:
    """Return a mistake in the text of `in_cel` with its place in the original text."""
    offset = mistake.offset
    for one in found:
        if offset > one.offset:
            offset = max(one.offset, offset - len(one.cel) + len(one.text))
    return Mistake(offset, mistake.what)


def _found(text: str) -> Iterator[ForeignOperator]:
    tokens = [one for one in _TOKEN.finditer(text) if one.lastgroup != "blank"]
    after_value = False
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        found = _foreign(token, following, after_value=after_value)
        if found is not None:
            yield found
        is_value = token.lastgroup in _VALUE_ENDS and token[0] != "in"
        after_value = found is None and is_value


def _foreign(
    token: re.Match[str], following: re.Match[str] | None, *, after_value: bool
) -> ForeignOperator | None:
    word, offset = token[0].lower(), token.start()
    if token.lastgroup not in {"word", "operator"}:
        return None
    if word == "not" and following is not None:
        # Left out of the text that is compiled: `!` would bind closer than `not` does.
        if after_value and following[0].lower() == "in":
            text = token.string[offset : following.end()]
            return ForeignOperator(offset, text, "in".rjust(len(text)), "!(x in list)")
        if not after_value and (following.lastgroup in _VALUE_BEGINS or following[0] in "(!"):
            return ForeignOperator(offset, token[0], " " * len(word), "!(...)")
    if word in _BETWEEN_VALUES and after_value:
        cel = _BETWEEN_VALUES[word]
        return ForeignOperator(offset, token[0], cel.ljust(len(word)), cel)
    return None
