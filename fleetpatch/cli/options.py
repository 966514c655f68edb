"""Options that several verbs share."""

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar

import typer

from fleetpatch.cli.dry_run import DRY_RUN, DryRun
from fleetpatch.cli.quiet import keep_quiet
from fleetpatch.cli.workers import read_workers
from fleetpatch.errors import UsageError
from fleetpatch.model.steering import MAX_CONCURRENCY
from fleetpatch.model.units import read_age, read_duration, read_rate, read_since, read_size

T = TypeVar("T")

_SMALLEST_LOG: Final = 64 * 2**10


class Output(StrEnum):
    """The format of a verb's output."""

    TEXT = "text"
    JSON = "json"


class ResultFormat(StrEnum):
    """The format of what `label` and `annotate` print: the summary, or the objects."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    NAME = "name"


class PreviewFormat(StrEnum):
    """The format of a preview."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def _read(read: Callable[[str], float], text: str) -> float:
    """Return what `read` makes of an option's value; an error of it is one of the command line."""
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _duration(text: str | float) -> float:
    if isinstance(text, float):
        return text  # the default passes here as well
    seconds = _read(read_duration, text)
    if not seconds:
        raise typer.BadParameter(f"{text!r} leaves no time for an answer; use a longer duration")
    return seconds


def _progress(text: str) -> float:
    if text == "off":
        return 0.0
    seconds = _read(read_duration, text)
    if not seconds:
        raise typer.BadParameter(f"{text!r} is not a valid time between two lines; use 10s, or off")
    return seconds


def _rate(text: str) -> float:
    return _read(read_rate, text)


def _log_size(text: str) -> int:
    size = int(_read(read_size, text))
    if size < _SMALLEST_LOG:
        raise typer.BadParameter(f"{text!r} is too small; use 64k or more")
    return size


def _since(text: str) -> float:
    return _read(lambda since: read_since(since, time.time()), text)


def _age(text: str) -> float:
    return _read(read_age, text)


def _workers(text: str | None) -> str | None:
    if text is not None:
        try:
            read_workers(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return text


def _new_file(path: Path | None) -> Path | None:
    # Checked before the survey, which may take minutes; creating the file checks it again.
    if path is not None and path.exists():
        raise typer.BadParameter(f"{path} exists already; name another file")
    return path


def existing_file(path: Path | None) -> Path | None:
    """Refuse a path at which there is nothing."""
    if path is not None and not path.exists():
        raise typer.BadParameter(f"{path}: no such file; check the path")
    return path


def in_existing_folder(path: Path | None) -> Path | None:
    """Refuse a file to be written whose folder does not exist: it is probably misspelled."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}; make it, or name another")
    return path


def _log_file(path: Path | None) -> Path | None:
    from fleetpatch.report.logfile import is_other_file

    path = in_existing_folder(path)
    if path is not None and is_other_file(path):
        raise typer.BadParameter(f"{path} exists already and is not a log; name another file")
    return path


def named_once(argument: T | None, option: T | None, *, what: str, verb: str) -> T:
    """Return the file that an argument or `-f` names. Raises UsageError for none and for both."""
    if argument is not None and option is not None:
        raise UsageError(f"{what} and -f name the same thing; give one of them")
    named = option if argument is None else argument
    if named is None:
        raise UsageError(f"missing argument '{what}'; see `fleetpatch {verb} --help`")
    return named


FilenameOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "-f",
        "--filename",
        metavar="PLAN",
        help="The plan file.",
        show_default=False,
    ),
]
RunsArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|NAME...",
        help="Run files, runs' names or their beginnings, or plans' names.",
        show_default=False,
    ),
]
RunArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run file, a run's name or its beginning, or a plan's name.",
        show_default=False,
    ),
]
OutputOption: TypeAlias = Annotated[
    Output, typer.Option("--output", "-o", help="text for people, json for programs.")
]
StateDirOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        help="Where run files are kept [$FLEETPATCH_STATE_DIR or ~/.local/state/fleetpatch].",
        show_default=False,
    ),
]
SharedOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--shared",
        help="Make a new state directory for its group: others can read and continue its runs.",
    ),
]
LogFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        callback=_log_file,
        help="The structured log [beside the run file, .jsonl]; - is stdout.",
        show_default=False,
    ),
]
LogMaxSizeOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--log-max-size",
        parser=_log_size,
        metavar="SIZE",
        envvar="FLEETPATCH_LOG_MAX_SIZE",
        show_envvar=False,
        help="Rotate the log at this size, as 100M; 20 older files are kept [never;"
        " $FLEETPATCH_LOG_MAX_SIZE].",
        show_default=False,
    ),
]
RunFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--run-file", callback=_new_file, help="The run file to write [in the state directory]."
    ),
]
TimeoutOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--request-timeout",
        parser=_duration,
        metavar="DURATION",
        help="The timeout of one request [30s].",
        show_default=False,
    ),
]
SinceOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--since",
        parser=_since,
        metavar="WHEN",
        help="Only runs since then: a date or time in UTC, or an age such as 12h or 2d.",
        show_default=False,
    ),
]
OlderThanOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--older-than",
        parser=_age,
        metavar="AGE",
        help="Only runs that were planned longer ago, as 90d or 12h.",
        show_default=False,
    ),
]
ReasonOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Why this is done; kept in the run, and shown by status and log.",
        show_default=False,
    ),
]
AllOption: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Allow a selector that matches every object of its kinds.")
]
YesOption: TypeAlias = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask; for cron and scripts.")
]
DryRunOption: TypeAlias = Annotated[
    DryRun,
    typer.Option(
        DRY_RUN,
        metavar="[=server|client|none]",
        help="server: the servers check each patch and store nothing; client: only the objects are"
        " listed; without a value: server.",
        show_default=False,
    ),
]
ProgressOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--progress",
        parser=_progress,
        metavar="DURATION|off",
        help="How often a line of progress is written, or off [a bar; without a terminal 30s].",
        show_default=False,
    ),
]
QuietOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=keep_quiet, help="Print the result alone, and errors; with --yes."
    ),
]
RateOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--rate",
        parser=_rate,
        metavar="RATE",
        help="Requests to each cluster at most, as 50/s; in place of the plan's.",
        show_default=False,
    ),
]
ConcurrencyOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        min=1,
        max=MAX_CONCURRENCY,
        metavar="N",
        help="Requests in flight to each cluster at most; in place of the plan's.",
        show_default=False,
    ),
]
WorkersOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workers",
        callback=_workers,
        envvar="FLEETPATCH_WORKERS",
        metavar="N|ADDRESS",
        help="Processes that send the requests: a number, or the scheduler of a Dask cluster"
        " (tcp://HOST:8786, tls://HOST:8786).",
        show_default=False,
        show_envvar=False,
    ),
]
WorkerTimeoutOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--worker-timeout",
        parser=_duration,
        metavar="DURATION",
        help="Silence after which a worker loses its clusters to another [15s].",
        show_default=False,
    ),
]
MetricsFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        metavar="FILE.prom",
        envvar="FLEETPATCH_METRICS_FILE",
        show_envvar=False,
        help="Metrics for node_exporter's textfile collector; a folder has a file for each plan.",
        show_default=False,
    ),
]
MetricsListenOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--metrics-listen",
        metavar="ADDR:PORT",
        envvar="FLEETPATCH_METRICS_LISTEN",
        show_envvar=False,
        help="Serve metrics here while the command runs.",
        show_default=False,
    ),
]
MetricsPushOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--metrics-push",
        metavar="URL",
        envvar="FLEETPATCH_METRICS_PUSH",
        show_envvar=False,
        help="Push metrics to this Pushgateway.",
        show_default=False,
    ),
]
WaitOption: TypeAlias = Annotated[
    bool, typer.Option("--wait", help="Wait until the plan's window is open.")
]
