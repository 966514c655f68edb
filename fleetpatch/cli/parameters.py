"""How the parameters of a verb are given on the command line, as the function of the verb says.

    def command(rate: Annotated[float | None, Option("--rate", read=read_rate)] = None) -> None: ...

The parser (`cli.click_parameters`) and completion (`cli.completion`) read these declarations.
Completion must be quick, so click is not imported here.
"""

import inspect
from collections.abc import Callable, Iterator
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args, get_origin


class Argument:
    """A parameter that is given by its place; the last one of a verb may be a list."""

    __slots__ = ("help", "metavar")

    def __init__(self, *, metavar: str, help: str = "") -> None:  # noqa: A002 - the word of click
        self.metavar = metavar
        self.help = help


class Option:
    """A parameter that is given by a name; without `names` by that of the function's parameter.

    `metavar` is the word for the value in the help, by default its type. `read` makes the value of
    a text, and raises ValueError. Whole numbers are between `at_least` and `at_most`. `envvar` is a
    variable that has the value if the option is not given.
    """

    __slots__ = (
        "at_least",
        "at_most",
        "envvar",
        "help",
        "metavar",
        "names",
        "read",
        "show_default",
    )

    def __init__(
        self,
        *names: str,
        help: str,  # noqa: A002 - the word of click
        metavar: str = "",
        read: Callable[[str], Any] | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        envvar: str | None = None,
        show_default: bool = True,
    ) -> None:
        self.names = names
        self.help = help
        self.metavar = metavar
        self.read = read
        self.at_least = at_least
        self.at_most = at_most
        self.envvar = envvar
        self.show_default = show_default


class Parameter(NamedTuple):
    """A parameter of a verb; `kind` is the type of its value, or of each value of a list."""

    name: str
    declared: Argument | Option
    kind: type[Any]
    is_list: bool
    default: Any
    """`inspect.Parameter.empty` if the parameter is required."""

    @property
    def is_required(self) -> bool:
        """Return whether the function has no default for it."""
        return self.default is inspect.Parameter.empty

    @property
    def is_flag(self) -> bool:
        """Return whether it is an option without a value."""
        return self.kind is bool

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of an option; empty for an argument."""
        if isinstance(self.declared, Argument):
            return ()
        return self.declared.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def long_name(self) -> str:
        """Return the long name of an option; empty for an argument."""
        return max(self.names, key=len, default="")

    def choices(self) -> list[str]:
        """Return the values of an enumeration; empty for other types."""
        return [one.value for one in self.kind] if issubclass(self.kind, StrEnum) else []


def parameters_of(function: Callable[..., Any]) -> Iterator[Parameter]:
    """Yield the parameters of a verb, in their order."""
    for name, given in inspect.signature(function).parameters.items():
        annotation, declared = get_args(given.annotation)
        kind, is_list = _kind(annotation)
        yield Parameter(name, declared, kind, is_list, given.default)


def _kind(annotation: Any) -> tuple[type[Any], bool]:
    """Return the type of a value, without None, and whether there is a list of them."""
    if isinstance(annotation, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    if get_origin(annotation) is list:
        return get_args(annotation)[0], True
    return annotation, False
