"""Syntax errors of ruamel.yaml, and bytes that are not UTF-8, reworded for authors of plans."""

import re
from types import MappingProxyType
from typing import Final

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from fleetpatch.model.plan.problems import Place

UNCLEAR_BREAK: Final = re.compile("[\x85\u2028\u2029]")
"""Characters that end a line in YAML 1.1, which kubectl reads, but not in YAML 1.2."""

# The first pattern that is found in ruamel.yaml's message decides. The original messages are meant
# for people who know the parser.
_WORDING: Final = MappingProxyType(
    {
        r"directive": "a line that begins with '%' is for YAML itself; remove it",
        r"expected '<document start>'": (
            "a line '---' is missing after '%...'; add it, or remove '%...'"
        ),
        r"character '\\t'": "a tab cannot indent in YAML; use blanks",
        r"found '\\t'": "a tab is not allowed here; use blanks",
        r"a blank is missing after ':'": "a blank is missing after the ':'; write 'key: value'",
        r"an empty line has more blanks": (
            "the empty lines above have more blanks than this one, where the text begins; remove"
            " their blanks"
        ),
        r"character '([@`%])'": r"text that begins with '\1' needs quotes around it",
        r"mapping values are not allowed": (
            "a ':' is not allowed here; check the indentation, or put quotes around the text"
        ),
        r"expected alphabetic or numeric": (
            "text that begins with '*' or '&' needs quotes around it"
        ),
        r"unknown escape character '(.)'": (
            r"'\\\1' is not a valid escape in double quotes; use single quotes, or write '\\\\'"
        ),
        r"expected ',' or '([\]}])'": r"the bracket is not closed; a ',' or '\1' is missing",
        r"expected <block end>": "the indentation does not match the lines above; align them",
        r"could not find expected ':'": "a ':' is missing after the key",
        r"undefined tag handle": (
            "this is a YAML tag, as text that begins with '!' is without quotes; put quotes around"
            " it if it is text"
        ),
        r"unexpected end of stream|document separator": "the quotes are not closed",
    }
)


def describe(error: YAMLError, text: str) -> tuple[Place, str]:
    """Return where `text` is not YAML, and why. Unclosed quotes are placed where they open."""
    if isinstance(error, ReaderError):
        return (
            place_of(text, error.position),
            f"the control character U+{error.character:04X} is not allowed in YAML; remove it",
        )
    if not isinstance(error, MarkedYAMLError):
        return Place(1, 1), "this is not YAML; check the whole file"
    # Some errors of ruamel.yaml have only a context.
    problem = error.problem or error.context or "it cannot be read"
    if "directive" in (error.context or ""):
        problem = str(error.context)
    opened = "quoted scalar" in (error.context or "") and "escape" not in problem
    mark = (error.context_mark if opened else error.problem_mark) or error.problem_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    return place, _reword(problem)


def decode(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises UnicodeDecodeError."""
    return data.decode("utf-8").removeprefix("\ufeff")


def place_of_byte(error: UnicodeDecodeError) -> Place:
    """Return the place where decoding stopped."""
    before = error.object[: error.start].decode("utf-8")
    return place_of(before, len(before))


def place_of(text: str, index: int) -> Place:
    """Return the line and column of a character of `text`."""
    line_start = text.rfind("\n", 0, index) + 1
    return Place(text.count("\n", 0, index) + 1, index - line_start + 1)


def _reword(problem: str) -> str:
    for pattern, words in _WORDING.items():
        if found := re.search(pattern, problem):
            return found.expand(words)
    return f"this is not YAML ({problem}); check the lines above, too"
