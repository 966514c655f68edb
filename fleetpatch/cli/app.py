"""The entry point: installs signal handlers and streams, calls the verb, and exits with its code.

`fleetpatch --help` must answer at once. So the table below has the one-line summaries of all verbs,
and the module of a verb is imported only when that verb is called. click is imported after the
signal handlers are installed (`fleetpatch.cli.parser`).
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import NoReturn

from fleetpatch.cli import signals, streams
from fleetpatch.errors import Exit, FleetpatchError, PlanError, UsageError

VERBS = MappingProxyType(
    {
        "validate": "Check plan files without a cluster.",
        "plan": "Expand a plan file into targets and show what would change.",
        "apply": "Carry out a plan file, or a run that was planned before.",
        "resume": "Continue a run, or retry its failed targets.",
        "undo": "Put back what a run changed, unless it was changed again since.",
        "verify": "Read the objects of a run again, and say whether the change is still there.",
        "pause": "Pause a live run.",
        "cancel": "End a run that is live or paused.",
        "pace": "Change the pace of a run that is live or paused.",
        "status": "Show the state of runs.",
        "runs": "List the runs, newest first.",
        "forget": "Remove the run files and logs of runs that are over.",
        "targets": "List the targets of a run.",
        "report": "Show what a run or a plan's runs did, as a page, Markdown, JSON or CSV.",
        "label": "Set and remove labels on many objects.",
        "annotate": "Set and remove annotations on many objects.",
        "rbac": "Print the least rights that a plan needs, as roles.",
        "kinds": "Show which patches the job kinds of a provider accept.",
        "schema": "Print the JSON Schema of plan files, for editors.",
        "sandbox": "Serve the embedded API server with a sample fleet.",
        "demo": "See a whole campaign run on the sandbox.",
    }
)

# A string and not an import statement: click may be imported only after `signals.install`.
_PARSER = "fleetpatch.cli.parser"
_COMPLETION = "fleetpatch.cli.completion"
_COMPLETE = "_FLEETPATCH_COMPLETE"
"""The variable with which the script of a shell asks for a completion."""


def main() -> NoReturn:
    """Run the command line and exit. Without arguments it shows its help and exits with 2."""
    exit_with(lambda: _call(sys.argv[1:]))


def exit_with(call: Callable[[], int]) -> NoReturn:
    """Exit with the code that `call` returns, or with that of the signal that interrupts it."""
    signals.install()
    try:
        code = call()
    except signals.Interrupted:
        streams.write_stderr_briefly("fleetpatch: interrupted")
        code = Exit.PAUSED
    signals.set_exit_code(code)
    # Before the interpreter ends it collects garbage several times, and would visit every module.
    gc.freeze()
    sys.exit(code)


def _call(arguments: list[str]) -> int:
    """Call the verb, or complete a line; return the exit code."""
    return reporting(lambda: _answer(arguments))


def _answer(arguments: list[str]) -> int:
    refuse_undecodable(arguments)
    if instruction := os.environ.get(_COMPLETE):
        completed: int = import_module(_COMPLETION).answer(VERBS, instruction)
        return completed
    code = _load(arguments)(arguments or ["--help"])
    return code or (Exit.OK if arguments else Exit.USAGE)


def reporting(call: Callable[[], int]) -> int:
    """Return what `call` returns, or the exit code of an error, after one line on stderr for it."""
    streams.replace_standard()
    # Modules are never freed, so garbage collections during the imports would only cost time.
    # `cli.event_loop` enables the collector again.
    gc.disable()
    try:
        code = call()
        sys.stdout.flush()
    except PlanError as error:
        # One line for each problem. It begins with its place, to which editors can jump.
        streams.write_stderr(str(error))
        return error.exit_code
    except FleetpatchError as error:
        streams.write_stderr(f"fleetpatch: {error}")
        return error.exit_code
    except streams.ResultError as error:
        # First of all: the interpreter flushes stdout when it exits, and that would fail again.
        streams.discard_stdout()
        state = f"; {error.state}" if error.state else ""
        streams.write_stderr(
            f"fleetpatch: the result cannot be written to stdout ({error.strerror or error}){state}"
        )
        return Exit.BROKEN
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        streams.write_stderr(f"fleetpatch: {where}{error.strerror or error}")
        return Exit.BROKEN
    finally:
        gc.enable()  # for callers within the same process
    return code


def refuse_undecodable(arguments: Sequence[str]) -> None:
    """Raise UsageError for the first argument that is not valid in the locale's encoding.

    Python decodes such bytes to lone surrogates, which cannot be sent, stored or logged.
    """
    for position, argument in enumerate(arguments):
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
            before = arguments[position - 1] if position else ""
            after = f" after {before}" if before.startswith("-") and "=" not in before else ""
            raise UsageError(
                f"the argument '{shown}'{after} is not valid UTF-8; nothing was sent: "
                "give it in UTF-8, in a UTF-8 locale"
            ) from None


def _load(arguments: Sequence[str]) -> Callable[[list[str]], int | None]:
    """Import the module of the verb among `arguments`, and of no other verb."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    verb = words[0] if words and words[0] in VERBS else None
    parser = import_module(_PARSER)
    call: Callable[[list[str]], int | None] = parser.command_line(VERBS, {verb})
    return call
