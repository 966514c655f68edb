"""Colours lines for a terminal, by patterns of their text.

rich detects what the terminal supports, and respects NO_COLOR and TERM=dumb.
"""

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.text import Text
from rich.theme import Theme

_STYLES = Theme(
    {
        "fleetpatch.good": "green",
        "fleetpatch.look": "yellow",
        "fleetpatch.bad": "bold red",
        "fleetpatch.quiet": "dim",
        "fleetpatch.head": "bold",
    }
)


class _Words(RegexHighlighter):
    base_style = "fleetpatch."
    # Outcomes are coloured only if there are any, so that a zero does not attract attention.
    highlights = (
        r"^(?P<good>applied +[1-9][\d,]*)",
        r"^(?P<quiet>unchanged +[\d,]+)",
        r"^(?P<look>(?:skipped|pending) +[1-9][\d,]*)",
        r"^(?P<bad>failed +[1-9][\d,]*)",
        r"^(?P<look>Warning|Cause):",
        r"^(?P<head>Run \S+ is [^:]+|Next:)",
        r"^ *(?P<quiet>[A-Z]+(?: +[A-Z]+)+)$",
        r"^ {4}.*?: (?P<bad>.*?) -> (?P<good>.*)$",
    )


def write_coloured(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines, which have no control characters, as they come; the terminal wraps long ones."""
    # `highlight` would also colour numbers and quoted text, by rich's own patterns.
    console = Console(file=stream, theme=_STYLES, highlight=False)
    words = _Words()
    for line in lines:
        console.print(words(Text(line)), soft_wrap=True)
