"""Parses the command line with click, checks all options, and converts usage errors.

click would write several lines for a usage error; here every error is one line.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click

from fleetpatch._version import __version__
from fleetpatch.cli.click_parameters import click_parameter
from fleetpatch.cli.ending import Ended
from fleetpatch.cli.kubectl_arguments import as_kubectl_reads
from fleetpatch.cli.metrics import reporting
from fleetpatch.cli.parameters import Argument, parameters_of
from fleetpatch.cli.quiet import muted, unmuted
from fleetpatch.cli.signals import Interrupted
from fleetpatch.cli.streams import write_line
from fleetpatch.cli.traces import tracing
from fleetpatch.cli.verb_modules import function_of
from fleetpatch.cli.workers import ending_workers
from fleetpatch.errors import Exit, ExpressionError, FleetpatchError, UsageError
from fleetpatch.files import is_stdout
from fleetpatch.model.fields import Json
from fleetpatch.model.text import is_unicode

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


def _call(root: click.Group, arguments: list[str]) -> int | None:
    try:
        code: int | None = root.main(arguments, prog_name=_program(), standalone_mode=False)
    except Ended as end:
        return end.exit_code
    except SystemExit as end:
        # click exits by itself, with a number, after the error of a broken pipe.
        return end.code if isinstance(end.code, int) else Exit.BROKEN
    except click.UsageError as error:
        ended = UsageError(_one_line(error))
        _refused(arguments, ended)
        raise ended from error
    return code


def _program() -> str:
    """Return how this program was called; kubectl calls it `kubectl-fleetpatch`."""
    return "kubectl fleetpatch" if Path(sys.argv[0]).stem == "kubectl-fleetpatch" else "fleetpatch"


def _one_line(error: click.UsageError) -> str:
    """Return in one line what is wrong with the command line, and how to show its help."""
    if isinstance(error, click.NoSuchOption):
        message = f"no such option: {error.option_name}{_similar(error.possibilities or ())}"
    elif variable := _variable_of(error):
        message = f"the variable {variable} is not valid: {error.message}"
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "fleetpatch"
    # A suggestion ends with a question mark.
    see = f" See `{command} --help`" if message.endswith("?") else f"; see `{command} --help`"
    return f"{message[:1].lower()}{message[1:]}{see}"


def _variable_of(error: click.UsageError) -> str:
    """Return the variable of the environment that a wrong value comes from; empty for none."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return ""
    source = error.ctx.get_parameter_source(error.param.name or "")
    is_variable = source is click.core.ParameterSource.ENVIRONMENT
    return str(error.param.envvar) if is_variable else ""


def _similar(names: Iterable[str]) -> str:
    found = ", ".join(map(repr, names))
    return f". Did you mean {found}?" if found else ""


def build(verbs: Mapping[str, str], loaded: Collection[str | None]) -> click.Group:
    """Build the parser: the `loaded` verbs with their options, the others as lines of help."""
    root = _Root(
        "fleetpatch",
        help="Change one thing on very many Kubernetes job objects: planned, paced, on record.",
        context_settings={"help_option_names": ["-h", "--help"]},
        params=_root_options(),
    )
    for verb, summary in verbs.items():
        root.add_command(
            Command(verb, function_of(verb))
            if verb in loaded
            else click.Command(verb, help=summary)
        )
    return root


class _Root(click.Group):
    """All verbs, in the order of their table."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as in click
        """Return the verbs."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that is called and its arguments. Raises click.UsageError."""
        if args[0] not in self.commands:
            similar = _similar(get_close_matches(args[0], self.commands))
            raise click.UsageError(f"no such command {args[0]!r}{similar}", ctx)
        return super().resolve_command(ctx, args)


def _root_options() -> list[click.Parameter]:
    """Return the options that come before the verb."""
    return [
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version.",
        ),
        _completion_option(
            "--install-completion", _install, "Install completion for a shell [the current one]."
        ),
        _completion_option(
            "--show-completion", _show, "Print the script that --install-completion installs."
        ),
    ]


def _completion_option(
    name: str, act: Callable[[click.Context, click.Parameter, str | None], None], summary: str
) -> click.Option:
    return click.Option(
        [name],
        metavar="[SHELL]",
        is_flag=False,
        flag_value="",  # without a value
        expose_value=False,
        callback=act,
        help=summary,
    )


def _version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        write_line(__version__)
        context.exit()


def _install(context: click.Context, _option: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from fleetpatch.cli.completion_scripts import install

        installed, path = install(shell)
        write_line(f"{installed} completion installed in {path}.")
        write_line("It takes effect in new terminals.")
        context.exit()


def _show(context: click.Context, _option: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from fleetpatch.cli.completion_scripts import script

        write_line(script(shell))
        context.exit()


class Command(click.Command):
    """A verb that refuses options that are repeated (unless they are lists), empty or not UTF-8.

    Otherwise the parser would silently take the last of several values, and `--context "$CONTEXT"`
    with an unset variable would mean the current context.
    """

    def __init__(self, verb: str, function: Callable[..., None]) -> None:
        parameters = list(parameters_of(function))
        super().__init__(
            verb,
            params=[click_parameter(one) for one in parameters],
            callback=function,
            help=function.__doc__,
        )
        declared = (one.declared for one in parameters)
        self._arguments = [one for one in declared if isinstance(one, Argument) and one.help]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments that have a help, and the options."""
        if self._arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(one.metavar, one.help) for one in self._arguments])
        super().format_options(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments after the verb. Raises UsageError.

        With `-o json` stdout also gets the error, as an object.
        """
        try:
            return self._parse(ctx, args)
        except click.UsageError as error:
            # Some errors of the parser lack the command whose help should be shown.
            error.ctx = error.ctx or ctx
            ended = UsageError(_one_line(error))
            _refused(args, ended)
            raise ended from error
        except FleetpatchError as error:
            _refused(args, error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Call the verb; with `-o json` stdout also gets the error that ended it, as an object.

        With `--log-file -` stdout is the log's, and all text is written to stderr.
        """
        output = ctx.params.get("output")
        try:
            with (
                muted(quiet=bool(ctx.params.get("quiet"))),
                ending_workers(),
                tracing(ctx.info_name),
                reporting(ctx.info_name, ctx.params),
            ):
                return self._invoke(ctx, output)
        except (FleetpatchError, Interrupted) as error:
            if output == "json":
                _print_json(error)
            raise

    def _invoke(self, ctx: click.Context, output: Any) -> Any:
        if not is_stdout(ctx.params.get("log_file")):
            return super().invoke(ctx)
        if output not in {None, "text"}:
            raise UsageError(
                f"--log-file - writes the log to stdout, and so does -o {output} the result;"
                " name a file for the log, or leave -o out"
            )
        with redirect_stdout(unmuted()):
            return super().invoke(ctx)

    def _parse(self, ctx: click.Context, args: list[str]) -> list[str]:
        # A copy: click takes the arguments that it has read out of its list.
        taking = {name for one in self.params if _takes_value(one) for name in one.opts}
        args = as_kubectl_reads(args, taking)
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for option in self.params:
            if isinstance(option, click.Option):
                _check(option, order.count(option), values.get(str(option.name)))
        return super().parse_args(ctx, args)


def _takes_value(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and not param.is_flag


def _refused(args: Sequence[str], error: FleetpatchError) -> None:
    """Let stdout show the error as an object with `-o json`."""
    if _asks_for_json(args):
        _print_json(error)


def _asks_for_json(args: Sequence[str]) -> bool:
    """Return whether `-o json` is among arguments that may be wrong otherwise."""
    joined = not {"-ojson", "-o=json", "--output=json"}.isdisjoint(args)
    return joined or any(a in {"-o", "--output"} and b == "json" for a, b in pairwise(args))


def _print_json(error: FleetpatchError | Interrupted) -> None:
    import json

    write_line(json.dumps(error_as_json(error)))


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


def _check(option: click.Option, times: int, value: object) -> None:
    name = max(option.opts, key=len)
    if times > 1 and not option.multiple and not option.is_flag:
        advice = "join its terms with a comma" if option.name in _JOINED else "give it once"
        raise UsageError(f"{name} is given {times} times; {advice}")
    for one in value if isinstance(value, list) else [value]:
        if one == "":
            raise UsageError(f"{name} is empty; give a value, or leave the option out")
        if isinstance(one, str) and not is_unicode(one):
            raise UsageError(f"{name} has bytes that are not UTF-8; write it in UTF-8")
