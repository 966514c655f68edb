"""Parses the command line with typer, checks all options, and converts usage errors.

typer would draw a box around a usage error; here every error is one line.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperOption

from fleetpatch._version import __version__
from fleetpatch.cli.dry_run import DRY_RUN, DryRun
from fleetpatch.cli.metrics import reporting
from fleetpatch.cli.quiet import unmuted
from fleetpatch.cli.signals import Interrupted
from fleetpatch.cli.traces import tracing
from fleetpatch.cli.verb_modules import function_of
from fleetpatch.cli.workers import ending_workers
from fleetpatch.errors import Exit, ExpressionError, FleetpatchError, UsageError
from fleetpatch.files import is_stdout
from fleetpatch.model.fields import Json
from fleetpatch.model.text import is_unicode

_UsageProblem: type[Exception] = typer.BadParameter.__mro__[1]
"""The base class of typer's usage errors, which typer itself does not export."""

_JOINED: Final = frozenset({"selector", "field_selector"})
"""Options that cannot be repeated, but take several terms, joined with a comma."""


def command_line(
    verbs: Mapping[str, str], loaded: Collection[str | None]
) -> Callable[[list[str]], int | None]:
    """Return the function that runs a command line and returns its exit code, None for success.

    `verbs` are all verbs with their summaries. The modules of those in `loaded` are imported; the
    others only appear in the help. The function raises UsageError for a wrong command line.
    """
    return partial(_call, build(verbs, loaded))


def _call(app: typer.Typer, arguments: list[str]) -> int | None:
    try:
        code: int | None = app(arguments, prog_name=_program(), standalone_mode=False)
    except SystemExit as end:
        # typer exits by itself if the reader of stdout has exited, and after a shell completion.
        return end.code if isinstance(end.code, int) else None
    except _UsageProblem as error:
        raise UsageError(_one_line(error)) from error
    return code


def _program() -> str:
    """Return how this program was called; kubectl calls it `kubectl-fleetpatch`."""
    return "kubectl fleetpatch" if Path(sys.argv[0]).stem == "kubectl-fleetpatch" else "fleetpatch"


def _one_line(error: Exception) -> str:
    """Return in one line what is wrong with the command line, and how to show its help."""
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    # Words of pydantic, which checks the values.
    message = message.replace("Value error, ", "").replace("Input should be", "must be")
    message = message.rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "fleetpatch"
    # A suggestion ends with a question mark.
    see = f" See `{command} --help`" if message.endswith("?") else f"; see `{command} --help`"
    return f"{message[:1].lower()}{message[1:]}{see}"


def build(verbs: Mapping[str, str], loaded: Collection[str | None]) -> typer.Typer:
    """Build the application: the `loaded` verbs with their options, the others as lines of help."""
    app = typer.Typer(
        name="fleetpatch",
        help="Change one thing on very many Kubernetes job objects: planned, paced, on record.",
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # our help texts write [default] in brackets, as kubectl does
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb, summary in verbs.items():
        command = function_of(verb) if verb in loaded else _not_loaded
        app.command(verb, cls=Command, help=None if verb in loaded else summary)(command)
    return app


def _not_loaded() -> None:
    """Stand in for a verb whose module is not imported."""


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
    """Accept the options that come before the verb."""


class Command(TyperCommand):
    """A verb that refuses options that are repeated (unless they are lists), empty or not UTF-8.

    Otherwise the parser would silently take the last of several values, and `--context "$CONTEXT"`
    with an unset variable would mean the current context.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments after the verb. Raises UsageError.

        With `-o json` stdout also gets the error, as an object.
        """
        try:
            return self._parse(ctx, args)
        except _UsageProblem as error:
            # Some errors of the parser lack the command whose help should be shown.
            if getattr(error, "ctx", None) is None:
                error.ctx = ctx  # type: ignore[attr-defined] # typer's errors have it
            ended = UsageError(_one_line(error))
            _refused(ctx, args, ended)
            raise ended from error
        except FleetpatchError as error:
            _refused(ctx, args, error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Call the verb; with `-o json` stdout also gets the error that ended it, as an object.

        With `--log-file -` stdout is the log's, and all text is written to stderr.
        """
        output = ctx.params.get("output")
        try:
            with (
                ending_workers(),
                tracing(ctx.info_name),
                reporting(ctx.info_name, ctx.params),
            ):
                return self._invoke(ctx, output)
        except (FleetpatchError, Interrupted) as error:
            if output == "json":
                _print_json(error)
            raise

    def _invoke(self, ctx: Any, output: Any) -> Any:
        if not is_stdout(ctx.params.get("log_file")):
            return super().invoke(ctx)
        if output not in {None, "text"}:
            raise UsageError(
                f"--log-file - writes the log to stdout, and so does -o {output} the result;"
                " name a file for the log, or leave -o out"
            )
        with redirect_stdout(unmuted()):
            return super().invoke(ctx)

    def _parse(self, ctx: Any, args: list[str]) -> list[str]:
        args = _with_dry_run_values(args, self.get_params(ctx))
        if not ctx.resilient_parsing:  # set while a half-written command line is completed
            values, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for option in self.get_params(ctx):
                if isinstance(option, TyperOption):
                    _check(option, order.count(option), values.get(str(option.name)))
        return super().parse_args(ctx, args)


def _with_dry_run_values(args: list[str], params: Iterable[Any]) -> list[str]:
    """Write a bare `--dry-run` as `--dry-run=server`, so that it never takes the next argument.

    As in kubectl, whose option has a value only after `=`.
    """
    taking = {name for one in params if not _is_flag(one) for name in one.opts}
    if DRY_RUN not in taking:
        return args
    written: list[str] = []
    awaits_value = False
    for position, argument in enumerate(args):
        if argument == "--" and not awaits_value:
            return [*written, *args[position:]]
        if argument == DRY_RUN and not awaits_value:
            # `--dry-run "$MODE"` with an unset variable: no argument of a verb is empty.
            if args[position + 1 : position + 2] == [""]:
                raise UsageError(f"{DRY_RUN} is empty; give a value, or leave the option out")
            written.append(f"{DRY_RUN}={DryRun.SERVER}")
            continue
        awaits_value = not awaits_value and _takes_next(argument, taking)
        written.append(argument)
    return written


def _is_flag(param: Any) -> bool:
    return not isinstance(param, TyperOption) or param.is_flag


def _takes_next(argument: str, taking: Collection[str]) -> bool:
    """Report whether the value of an option is the argument after it."""
    if argument.startswith("--"):
        return argument in taking
    # In a group of short options (`-yn`), the first that takes a value takes the rest of the group.
    for at, letter in enumerate(argument[1:], 2):
        if argument.startswith("-") and f"-{letter}" in taking:
            return at == len(argument)
    return False


def _refused(ctx: Any, args: Sequence[str], error: FleetpatchError) -> None:
    """Let stderr show the error, also with `--quiet`, and stdout as an object with `-o json`."""
    # `--quiet` may have been read before.
    ctx.close()
    if _asks_for_json(args) and not ctx.resilient_parsing:
        _print_json(error)


def _asks_for_json(args: Sequence[str]) -> bool:
    """Return whether `-o json` is among arguments that may be wrong otherwise."""
    joined = not {"-ojson", "-o=json", "--output=json"}.isdisjoint(args)
    return joined or any(a in {"-o", "--output"} and b == "json" for a, b in pairwise(args))


def _print_json(error: FleetpatchError | Interrupted) -> None:
    import json

    typer.echo(json.dumps(error_as_json(error)))


def error_as_json(error: FleetpatchError | Interrupted) -> dict[str, Json]:
    """Render an error or a signal that ended a verb; an interface (docs/reference.md)."""
    if isinstance(error, Interrupted):
        code = "interrupted"
        return {"cause": code, "causeCode": code, "exitCode": int(Exit.PAUSED)}
    return {
        "cause": str(error),
        "causeCode": error.cause_code,
        "exitCode": int(error.exit_code),
        **(_expressions_as_json(error) if isinstance(error, ExpressionError) else {}),
    }


def _expressions_as_json(error: ExpressionError) -> dict[str, Json]:
    # All keys: they are what is corrected first.
    keys = [{"table": table, "key": key, "count": n} for table, key, n in error.missing_keys]
    return {"objects": error.count, "missingKeys": keys}


def _check(option: TyperOption, times: int, value: object) -> None:
    name = max(option.opts, key=len)
    if times > 1 and not option.multiple and not option.is_flag:
        advice = "join its terms with a comma" if option.name in _JOINED else "give it once"
        raise UsageError(f"{name} is given {times} times; {advice}")
    for one in value if isinstance(value, list) else [value]:
        if one == "":
            raise UsageError(f"{name} is empty; give a value, or leave the option out")
        if isinstance(one, str) and not is_unicode(one):
            raise UsageError(f"{name} has bytes that are not UTF-8; write it in UTF-8")
