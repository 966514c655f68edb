"""The entry point: signals, streams and arguments first, then the verb, then the exit code.

`fleetpatch --help` must answer at once, so the verbs' one-line summaries are here, in a table; a
verb's module, and with it the HTTP client and the rest, is imported only when the verb is called.
typer itself is imported by `main`, after the signals are handled: `fleetpatch.cli.commands` has
what is made with it.
"""

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import NoReturn

from fleetpatch.cli import arguments, signals, streams
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

_COMMANDS = "fleetpatch.cli.commands"


def main() -> NoReturn:
    """Run the command line and exit; without any words, show its help as for bad usage."""
    signals.catch()
    try:
        code = _call(sys.argv[1:])
    except signals.Interrupted:
        streams.complain("fleetpatch: interrupted")
        code = Exit.PAUSED
    signals.settle(code)
    sys.exit(code)


def _call(words: list[str]) -> int:
    """Call the verb that is meant, and turn every error into one line and an exit code."""
    streams.make_safe()
    try:
        arguments.refuse_undecodable(words)
        code = _load(words)(words or ["--help"])
        streams.flush()
    except PlanError as error:
        # A line a problem, each of which begins with its place, for editors to jump to.
        streams.complain(str(error))
        return error.exit_code
    except FleetpatchError as error:
        streams.complain(f"fleetpatch: {error}")
        return error.exit_code
    except streams.ResultError as error:
        streams.hang_up()
        streams.complain(
            f"fleetpatch: the result cannot be written to stdout ({error.strerror or error})"
        )
        return Exit.BROKEN
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        streams.complain(f"fleetpatch: {where}{error.strerror or error}")
        return Exit.BROKEN
    return code or (Exit.OK if words else Exit.USAGE)


def _load(words: list[str]) -> Callable[[list[str]], int | None]:
    """Import what the verb among `words` needs, and no other verb."""
    said = [word for word in words if not word.startswith("-")]
    verb = said[0] if said and said[0] in VERBS else None
    completing = "_FLEETPATCH_COMPLETE" in os.environ
    # What is imported lives to the end; the collector would go through all of it again and again.
    gc.disable()
    commands = import_module(_COMMANDS)
    call: Callable[[list[str]], int | None] = commands.caller(
        VERBS, VERBS if completing else {verb}
    )
    gc.freeze()
    gc.enable()
    return call
