"""Writes lines to a stream: coloured on a terminal, plain everywhere else.

The text is the same in both cases. rich detects what the terminal supports, and respects NO_COLOR
and TERM=dumb. Patterns of the text determine the colours.
"""

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.text import Text
from rich.theme import Theme

from fleetpatch.model.text import visible

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


def write(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines as they come, each with a newline; the terminal wraps long lines.

    Control characters are replaced first: a run file is untrusted input, and an escape sequence
    could change what a terminal shows.
    """
    if not stream.isatty():
        stream.writelines(f"{visible(line)}\n" for line in lines)
        return
    # `highlight` would also colour numbers and quoted text, by rich's own patterns.
    console = Console(file=stream, theme=_STYLES, highlight=False)
    words = _Words()
    for line in lines:
        console.print(words(Text(visible(line))), soft_wrap=True)
