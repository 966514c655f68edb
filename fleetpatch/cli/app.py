"""The entry point: finds the verb, loads its module and no other, and turns errors into exit codes.

`fleetpatch --help` must answer at once, so the verbs' one-line summaries stand here, in a table; a
verb's module, and with it the HTTP client and the rest, is imported only when the verb is called.

typer would draw a box around what is wrong with a command line, and end with 130 on Ctrl-C; here
every error is one line, and every end an exit code of ours.
"""

import atexit
import gc
import os
import signal
import sys
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, NoReturn

import typer

from fleetpatch._version import __version__
from fleetpatch.cli import streams
from fleetpatch.cli.command import Command
from fleetpatch.errors import Exit, FleetpatchError, PlanError

VERBS = MappingProxyType(
    {
        "validate": "Check plan files without a cluster.",
        "plan": "Expand a plan file into targets and show what would change.",
        "apply": "Carry out a plan file, or a run that was planned before.",
        "resume": "Go on with a run, or try its failed targets again.",
        "undo": "Put back what a run changed, where it is still ours.",
        "status": "Show where runs stand.",
        "targets": "List the targets of a run.",
        "label": "Set and remove labels on many objects, as kubectl would on one.",
        "annotate": "Set and remove annotations on many objects.",
        "kinds": "Show what the job kinds of a provider take: patches, fields, query.",
        "schema": "Print the JSON Schema of plan files, for editors.",
        "sandbox": "Serve the embedded API server with a sample fleet.",
        "demo": "See a whole campaign run on the sandbox.",
    }
)

_Misuse: type[Exception] = typer.BadParameter.__mro__[1]
"""The root of what typer says of a wrong command line; by name it offers only some of its kinds."""

_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""


def main() -> NoReturn:
    """Run the command line and exit; without any words, show its help as for bad usage."""
    streams.make_safe()
    arguments = sys.argv[1:]
    words = [word for word in arguments if not word.startswith("-")]
    verb = words[0] if words and words[0] in VERBS else None
    completing = "_FLEETPATCH_COMPLETE" in os.environ
    # A Ctrl-C while the interpreter winds up would take the place of the exit code.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    # What is imported lives to the end; the collector would go through all of it again and again.
    gc.disable()
    app = build(VERBS if completing else [verb] if verb else [])
    gc.freeze()
    gc.enable()
    try:
        code = app(arguments or ["--help"], prog_name="fleetpatch", standalone_mode=False)
        streams.flush()
    except PlanError as error:
        # A line a problem, each of which begins with its place, for editors to jump to.
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    except FleetpatchError as error:
        sys.stderr.write(f"fleetpatch: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        streams.hang_up()
        told = error.strerror or error
        sys.stderr.write(f"fleetpatch: the result cannot be written to stdout ({told})\n")
        sys.exit(Exit.BROKEN)
    except _Misuse as error:
        sys.stderr.write(_wording(error))
        sys.exit(Exit.USAGE)
    if code == _INTERRUPTED:
        sys.stderr.write("fleetpatch: interrupted\n")
        sys.exit(Exit.PAUSED)
    sys.exit(code or (Exit.OK if arguments else Exit.USAGE))


def _wording(error: Exception) -> str:
    """Say in one line what is wrong with the command line, and where help is."""
    told = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    told = told.replace("Value error, ", "").rstrip(".")  # pydantic's words, not ours
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "fleetpatch"
    return f"fleetpatch: {told[:1].lower()}{told[1:]}; see `{command} --help`\n"


def build(loaded: "list[str] | MappingProxyType[str, str]") -> typer.Typer:
    """The application, with the `loaded` verbs in full and the others as a line of help."""
    app = typer.Typer(
        name="fleetpatch",
        help="Change one thing on very many Kubernetes job objects: planned, paced, on record.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # our help texts say [default] in brackets, as kubectl does
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb, summary in VERBS.items():
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
