"""Checks of every verb's options: none is given twice, empty, or not in UTF-8.

The parser takes the last of several values and says nothing, and `--context "$CONTEXT"` with an
unset variable would mean the current context. Such options are refused by name.
"""

from typing import Any, Final

from typer.core import TyperCommand, TyperOption

from fleetpatch.errors import UsageError
from fleetpatch.model.text import is_unicode

_JOINED: Final = frozenset({"selector", "field_selector"})
"""Options whose terms can be joined with a comma."""


class Command(TyperCommand):
    """A verb of the command line. Only options that are lists may be repeated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words behind the verb. Raises UsageError, and typer's errors."""
        if not ctx.resilient_parsing:  # the completion of a half-written command line
            values, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for option in self.get_params(ctx):
                if isinstance(option, TyperOption):
                    _check(option, order.count(option), values.get(str(option.name)))
        return super().parse_args(ctx, args)


def _check(option: TyperOption, times: int, value: object) -> None:
    name = max(option.opts, key=len)
    if times > 1 and not option.multiple and not option.is_flag:
        advice = "join its terms with a comma" if option.name in _JOINED else "give it once"
        raise UsageError(f"{name} is given {times} times; {advice}")
    for one in value if isinstance(value, list) else [value]:
        if one == "":
            raise UsageError(f"{name} is empty; give a value, or leave the option out")
        if isinstance(one, str) and not is_unicode(one):
            raise UsageError(f"{name} holds bytes that are not UTF-8; write it in UTF-8")
