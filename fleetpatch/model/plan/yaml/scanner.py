r"""ruamel.yaml's scanner, changed to YAML 1.2 where it has older or stricter rules.

| text | ruamel.yaml | here, as in YAML 1.2 |
|---|---|---|
| `%YAML 1.3` | an assertion fails | any version is kept in `declared`, and read as 1.2 |
| a tab after a value, a key or a comment | "cannot start any token" | white space |
| a tab as indentation of a block | the same | the same: a tab never indents |
| `{?a: b}`, `{:a: b}` | the key `a`, an error | the keys `?a` and `:a` |
| `{a:}`, `{a:, b: c}` | the key `a:` | an error: a reader with the rules of 1.2 sees the key `a` |
| `[!a]`, `[!a,b]` | the bracket is not closed; the tag `!a,b` | the tag `!a`, in a list |
| `\|` and then an empty line of fewer blanks than the text | an error | an empty line |

The names of the methods are ruamel.yaml's.
"""

from typing import Any, Final

from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tokens import FlowMappingEndToken, FlowSequenceEndToken, ScalarToken, TagToken

_BLANKS: Final = " \t"
_BREAKS: Final = "\r\n\x85\u2028\u2029"
_LINE_END: Final = "\0" + _BREAKS
_NOT_PLAIN_IN_FLOW: Final = _BLANKS + _LINE_END + ",[]{}"
"""Characters that end a plain scalar within brackets; they cannot follow its first '?' or ':'."""


class PlanScanner(Scanner):
    """Turns a plan file's text into tokens. Raises ScannerError.

    `declared` is the version in a %YAML line, or None without such a line.
    """

    declared: str | None = None

    def scan_yaml_directive_value(self, start_mark: Any) -> tuple[int, int]:  # noqa: ARG002
        """Accept any version; the caller decides whether to report it."""
        self.declared = self._take_until(_LINE_END + "#").strip()
        return 1, 2

    def scan_to_next_token(self) -> None:
        """Skip blanks, comments and line breaks, but not a tab that would be indentation."""
        while True:
            # `allow_simple_key` is set at the start of a line, where a tab would be indentation.
            self._skip_blanks(tabs=bool(self.flow_level) or not self.allow_simple_key)
            if self.reader.peek() == "#":
                self._take_until(_LINE_END)
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def check_key(self) -> bool:
        """Report whether a '?' is an indicator; within brackets it may begin a plain scalar."""
        return self.reader.peek(1) in (_NOT_PLAIN_IN_FLOW if self.flow_level else _SPACE)

    def check_value(self) -> bool:
        """Report whether a ':' is an indicator; after `"a"` it always is."""
        if not self.flow_level:
            return self.reader.peek(1) in _SPACE
        return self.reader.peek(1) in _NOT_PLAIN_IN_FLOW or self._ends_json_key()

    def check_plain(self) -> bool:
        """Report whether a plain scalar begins; '?' and ':' are not indicators at this point."""
        return bool(super().check_plain()) or self.reader.peek() in "?:"

    def scan_tag(self) -> Any:
        """Scan a tag; within brackets a bracket or a comma ends it, as it ends a plain scalar."""
        if self.reader.peek(1) == "<":
            return super().scan_tag()
        start = self.reader.get_mark()
        text = self._take_until(_NOT_PLAIN_IN_FLOW if self.flow_level else _SPACE)
        last = text.rfind("!") + 1
        value = (None, text) if last == len(text) else (text[:last], text[last:])
        if self.reader.peek() == "\t":
            # YAML allows only a blank here.
            raise ScannerError(None, None, "found '\\t'", self.reader.get_mark())
        return TagToken(value, start, self.reader.get_mark())

    def scan_plain(self) -> Any:
        """Scan a plain scalar. Raises ScannerError if a blank is missing after its ':'."""
        token = super().scan_plain()
        if self.flow_level and token.value.endswith(":"):
            # ruamel.yaml reads `{a:}` and `{a:[b]}` as a key `a:`.
            message = "a blank is missing after ':'"
            raise ScannerError(None, None, message, self.reader.get_mark())
        return token

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str]:  # noqa: ARG002
        """Return the folded blanks within a plain scalar; nothing if the document ends."""
        blanks = self._take_while(_BLANKS)
        if self.reader.peek() not in _BREAKS:
            return [blanks] if blanks else []
        first = self.scan_line_break()
        self.allow_simple_key = True
        breaks: list[str] = []
        while not self._at_document_edge():
            self._take_while(" ")
            self._skip_blanks(tabs=bool(self.flow_level) or self.reader.column >= indent)
            if self.reader.peek() not in _BREAKS:
                folded = [first] if first != "\n" else [] if breaks else [" "]
                return folded + breaks
            breaks.append(self.scan_line_break())
        return []

    def scan_block_scalar_indentation(self) -> tuple[list[str], int, Any]:
        """Return the leading empty lines, the indentation of the text, and where they end."""
        breaks: list[str] = []
        longest = 0
        end_mark = self.reader.get_mark()
        while True:
            self._take_while(" ")
            if self.reader.peek() not in _BREAKS:
                break
            longest = max(longest, self.reader.column)
            breaks.append(self.scan_line_break())
            end_mark = self.reader.get_mark()
        column = self.reader.column
        # YAML 1.2, 8.1.1.1: it would be unclear how much of the empty line is text.
        if longest > column > self.indent and self.reader.peek() != "\0":
            message = "an empty line has more blanks than the first line of the text"
            raise ScannerError(None, None, message, self.reader.get_mark())
        return breaks, column, end_mark

    def _skip_blanks(self, *, tabs: bool) -> None:
        """Skip blanks; skip tabs only if allowed, or if only a comment follows in the line."""
        length = 0
        while self.reader.peek(length) in _BLANKS:
            length += 1
        skipped = self.reader.prefix(length)
        if not tabs and self.reader.peek(length) not in _LINE_END + "#":
            skipped = skipped.partition("\t")[0]
        self.reader.forward(len(skipped))

    def _ends_json_key(self) -> bool:
        last = self.tokens[-1] if self.tokens else None
        return isinstance(last, FlowSequenceEndToken | FlowMappingEndToken) or (
            isinstance(last, ScalarToken) and not last.plain
        )

    def _at_document_edge(self) -> bool:
        return self.reader.prefix(3) in ("---", "...") and self.reader.peek(3) in _SPACE

    def _take_while(self, chars: str) -> str:
        length = 0
        while self.reader.peek(length) in chars:
            length += 1
        return self._take(length)

    def _take_until(self, chars: str) -> str:
        length = 0
        while self.reader.peek(length) not in chars:
            length += 1
        return self._take(length)

    def _take(self, length: int) -> str:
        taken = str(self.reader.prefix(length))
        self.reader.forward(length)
        return taken


_SPACE: Final = _BLANKS + _LINE_END
