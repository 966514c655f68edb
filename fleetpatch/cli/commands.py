"""The command line as typer sees it: the verbs, and what is wrong with a command line.

typer would draw a box around what is wrong with a command line; here every error is one line.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from typing import Annotated

import typer

from fleetpatch._version import __version__
from fleetpatch.cli.command import Command
from fleetpatch.errors import UsageError

_Misuse: type[Exception] = typer.BadParameter.__mro__[1]
"""The root of what typer says of a wrong command line; by name it offers only some of its kinds."""


def caller(
    verbs: Mapping[str, str], loaded: Collection[str | None]
) -> Callable[[list[str]], int | None]:
    """Make the function that runs a command line and returns its exit code, None for success.

    `verbs` are all verbs with their summaries; those of `loaded` are imported, and the others are
    a line of help each. The function raises UsageError where the command line is wrong.
    """
    return partial(_call, build(verbs, loaded))


def _call(app: typer.Typer, words: list[str]) -> int | None:
    try:
        code: int | None = app(words, prog_name="fleetpatch", standalone_mode=False)
    except SystemExit as end:
        # typer ends the process itself where the reader of stdout is gone, and after completion.
        return end.code if isinstance(end.code, int) else None
    except _Misuse as error:
        raise UsageError(_wording(error)) from error
    return code


def _wording(error: Exception) -> str:
    """Say in one line what is wrong with the command line, and where help is."""
    told = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    told = told.replace("Value error, ", "").rstrip(".")  # pydantic's words, not ours
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "fleetpatch"
    return f"{told[:1].lower()}{told[1:]}; see `{command} --help`"


def build(verbs: Mapping[str, str], loaded: Collection[str | None]) -> typer.Typer:
    """The application, with the `loaded` verbs in full and the others as a line of help."""
    app = typer.Typer(
        name="fleetpatch",
        help="Change one thing on very many Kubernetes job objects: planned, paced, on record.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # our help texts say [default] in brackets, as kubectl does
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb, summary in verbs.items():
        command = import_module(f"fleetpatch.cli.{verb}").command if verb in loaded else _unloaded
        app.command(verb, cls=Command, help=None if verb in loaded else summary)(command)
    return app


def _unloaded() -> None:
    """Stand for a verb of which only the summary is wanted."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that come before the verb."""
