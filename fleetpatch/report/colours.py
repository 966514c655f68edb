"""Colours lines for a terminal, by patterns of their text.

rich detects what the terminal supports, and respects NO_COLOR and TERM=dumb.
"""

from collections.abc import Iterable, Sequence
from typing import Self, TextIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.live import Live
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


_WORDS = _Words()


def write_coloured(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines, which have no control characters, as they come; the terminal wraps long ones."""
    # `highlight` would also colour numbers and quoted text, by rich's own patterns.
    console = Console(file=stream, theme=_STYLES, highlight=False)
    for line in lines:
        console.print(_WORDS(Text(line)), soft_wrap=True)


class Screen:
    """The part of a terminal that is redrawn; a context manager, which removes it at its end."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, theme=_STYLES, highlight=False)
        self._height = console.height
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def draw(self, lines: Sequence[str]) -> None:
        """Draw these lines in place of the ones before; lines have no control characters."""
        # What does not fit would scroll away, and could not be removed.
        height = self._height - 1
        shown = lines if len(lines) <= height else [*lines[: height - 1], "..."]
        text = Text("\n").join(_WORDS(Text(line)) for line in shown)
        text.no_wrap, text.overflow = True, "ellipsis"
        self._live.update(text, refresh=True)
