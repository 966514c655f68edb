"""Makes the parameters of click from those of a verb: how they are read, and shown in the help."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import click

from fleetpatch.cli.parameters import Argument, Option, Parameter


def click_parameter(parameter: Parameter) -> click.Parameter:
    """Return the parameter for the parser. Of a list that is empty the function gets None."""
    declared = parameter.declared
    # None is a value for click: without a default there must be no such argument.
    default = {} if parameter.is_required else {"default": parameter.default}
    if isinstance(declared, Argument):
        return click.Argument(
            [parameter.name],
            metavar=_place(declared.metavar, is_required=parameter.is_required),
            nargs=-1 if parameter.is_list else 1,
            required=parameter.is_required,
            type=_type(parameter),
            callback=_list_or_none if parameter.is_list else None,
            **default,
        )
    names = [*parameter.names, parameter.name]
    if parameter.is_flag:
        return click.Option(names, is_flag=True, default=False, help=declared.help)
    return click.Option(
        names,
        metavar=declared.metavar or f"<{_type_name(parameter)}>",
        multiple=parameter.is_list,
        required=parameter.is_required,
        type=_type(parameter),
        envvar=declared.envvar,
        callback=_list_or_none if parameter.is_list else None,
        help=_help(parameter, declared),
        **default,
    )


def _place(metavar: str, *, is_required: bool) -> str:
    """Return how the usage line shows an argument: in brackets if it can be left out."""
    return metavar if is_required or metavar.startswith("[") else f"[{metavar}]"


def _list_or_none(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    return list(value) if value else None


def _type_name(parameter: Parameter) -> str:
    return "|".join(parameter.choices()) or parameter.kind.__name__.lower()


def _help(parameter: Parameter, option: Option) -> str:
    """Return what an option does, and its default and bounds in brackets."""
    notes = []
    if option.show_default and not parameter.is_required and parameter.default not in {None, ""}:
        notes.append(f"default: {parameter.default}")
    low, high = option.at_least, option.at_most
    if low is not None and high is not None:
        notes.append(f"{low}<=x<={high}")
    elif low is not None:
        notes.append(f"x>={low}")
    elif high is not None:
        notes.append(f"x<={high}")
    return f"{option.help}  [{'; '.join(notes)}]" if notes else option.help


def _type(parameter: Parameter) -> Callable[[Any], Any]:
    """Return the function that makes the value of a text; a default it returns as it is."""
    read = _reader(parameter)

    def value(given: Any) -> Any:
        if not isinstance(given, str):
            return given
        # An unset variable of a shell. The parser refuses empty options.
        if not given and isinstance(declared := parameter.declared, Argument):
            raise click.UsageError(
                f"the argument {declared.metavar} is empty; give a value, or leave it out"
            )
        try:
            return read(given)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return value


def _reader(parameter: Parameter) -> Callable[[str], Any]:
    kind, declared = parameter.kind, parameter.declared
    if isinstance(declared, Option):
        if declared.read is not None:
            return declared.read
        if kind is int:
            return _whole_number(declared)
    return _choice(kind) if issubclass(kind, StrEnum) else kind


def _choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            known = ", ".join(repr(one.value) for one in kind)
            raise ValueError(f"{text!r} is not one of {known}") from None

    return read


def _whole_number(option: Option) -> Callable[[str], int]:
    low, high = option.at_least, option.at_most

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
        if low is not None and number < low:
            raise ValueError(f"{text!r} is too small; use {low} or more")
        if high is not None and number > high:
            raise ValueError(f"{text!r} is too large; use {high} or less")
        return number

    return read
