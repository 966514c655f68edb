"""Options that several verbs share."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar

from fleetpatch.cli.dry_run import DRY_RUN, DryRun
from fleetpatch.cli.parameters import Argument, Option
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


def _duration(text: str) -> float:
    seconds = read_duration(text)
    if not seconds:
        raise ValueError(f"{text!r} leaves no time for an answer; use a longer duration")
    return seconds


def _progress(text: str) -> float:
    if text == "off":
        return 0.0
    seconds = read_duration(text)
    if not seconds:
        raise ValueError(f"{text!r} is not a valid time between two lines; use 10s, or off")
    return seconds


def _log_size(text: str) -> int:
    size = read_size(text)
    if size < _SMALLEST_LOG:
        raise ValueError(f"{text!r} is too small; use 64k or more")
    return size


def _since(text: str) -> float:
    return read_since(text, time.time())


def _workers(text: str) -> str:
    read_workers(text)
    return text


def _new_file(text: str) -> Path:
    # Checked before the survey, which may take minutes; creating the file checks it again.
    path = Path(text)
    if path.exists():
        raise ValueError(f"{path} exists already; name another file")
    return path


def existing_file(text: str) -> Path:
    """Refuse a path at which there is nothing."""
    path = Path(text)
    if not path.exists():
        raise ValueError(f"{path}: no such file; check the path")
    return path


def in_existing_folder(text: str) -> Path:
    """Refuse a file to be written whose folder does not exist: it is probably misspelled."""
    path = Path(text)
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}; make it, or name another")
    return path


def _log_file(text: str) -> Path:
    from fleetpatch.report.logfile import is_other_file

    path = in_existing_folder(text)
    if is_other_file(path):
        raise ValueError(f"{path} exists already and is not a log; name another file")
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
    Option(
        "-f",
        "--filename",
        metavar="PLAN",
        help="The plan file.",
    ),
]
RunsArgument: TypeAlias = Annotated[
    list[str],
    Argument(
        metavar="RUN|NAME...",
        help="Run files, runs' names or their beginnings, or plans' names.",
    ),
]
RunArgument: TypeAlias = Annotated[
    str,
    Argument(
        metavar="RUN",
        help="A run file, a run's name or its beginning, or a plan's name.",
    ),
]
OutputOption: TypeAlias = Annotated[
    Output, Option("--output", "-o", help="text for people, json for programs.")
]
StateDirOption: TypeAlias = Annotated[
    Path | None,
    Option(
        "--state-dir",
        help="Where run files are kept [$FLEETPATCH_STATE_DIR or ~/.local/state/fleetpatch].",
    ),
]
SharedOption: TypeAlias = Annotated[
    bool,
    Option(
        "--shared",
        help="Make a new state directory for its group: others can read and continue its runs.",
    ),
]
LogFileOption: TypeAlias = Annotated[
    Path | None,
    Option(
        "--log-file",
        read=_log_file,
        help="The structured log [beside the run file, .jsonl]; - is stdout.",
    ),
]
LogMaxSizeOption: TypeAlias = Annotated[
    int | None,
    Option(
        "--log-max-size",
        read=_log_size,
        metavar="SIZE",
        envvar="FLEETPATCH_LOG_MAX_SIZE",
        help="Rotate the log at this size, as 100M; 20 older files are kept [never;"
        " $FLEETPATCH_LOG_MAX_SIZE].",
    ),
]
RunFileOption: TypeAlias = Annotated[
    Path | None,
    Option("--run-file", read=_new_file, help="The run file to write [in the state directory]."),
]
TimeoutOption: TypeAlias = Annotated[
    float,
    Option(
        "--request-timeout",
        read=_duration,
        metavar="DURATION",
        help="The timeout of one request [30s].",
        show_default=False,
    ),
]
SinceOption: TypeAlias = Annotated[
    float | None,
    Option(
        "--since",
        read=_since,
        metavar="WHEN",
        help="Only runs since then: a date or time in UTC, or an age such as 12h or 2d.",
    ),
]
OlderThanOption: TypeAlias = Annotated[
    float | None,
    Option(
        "--older-than",
        read=read_age,
        metavar="AGE",
        help="Only runs that were planned longer ago, as 90d or 12h.",
    ),
]
ReasonOption: TypeAlias = Annotated[
    str,
    Option(
        "--reason",
        metavar="TEXT",
        help="Why this is done; kept in the run, and shown by status and log.",
    ),
]
AllOption: TypeAlias = Annotated[
    bool, Option("--all", help="Allow a selector that matches every object of its kinds.")
]
YesOption: TypeAlias = Annotated[
    bool, Option("--yes", "-y", help="Do not ask; for cron and scripts.")
]
DryRunOption: TypeAlias = Annotated[
    DryRun,
    Option(
        DRY_RUN,
        metavar="[=server|client|none]",
        help="server: the servers check each patch and store nothing; client: only the objects are"
        " listed; without a value: server.",
        show_default=False,
    ),
]
ProgressOption: TypeAlias = Annotated[
    float | None,
    Option(
        "--progress",
        read=_progress,
        metavar="DURATION|off",
        help="How often a line of progress is written, or off [a bar; without a terminal 30s].",
    ),
]
QuietOption: TypeAlias = Annotated[
    bool,
    Option("--quiet", "-q", help="Print the result alone, and errors; with --yes."),
]
RateOption: TypeAlias = Annotated[
    float | None,
    Option(
        "--rate",
        read=read_rate,
        metavar="RATE",
        help="Requests to each cluster at most, as 50/s; in place of the plan's.",
    ),
]
ConcurrencyOption: TypeAlias = Annotated[
    int | None,
    Option(
        "--concurrency",
        at_least=1,
        at_most=MAX_CONCURRENCY,
        metavar="N",
        help="Requests in flight to each cluster at most; in place of the plan's.",
    ),
]
WorkersOption: TypeAlias = Annotated[
    str | None,
    Option(
        "--workers",
        read=_workers,
        envvar="FLEETPATCH_WORKERS",
        metavar="N|ADDRESS",
        help="Processes that send the requests: a number, or the scheduler of a Dask cluster"
        " (tcp://HOST:8786, tls://HOST:8786) [$FLEETPATCH_WORKERS].",
    ),
]
WorkerTimeoutOption: TypeAlias = Annotated[
    float,
    Option(
        "--worker-timeout",
        read=_duration,
        metavar="DURATION",
        help="Silence after which a worker loses its clusters to another [15s].",
        show_default=False,
    ),
]
MetricsFileOption: TypeAlias = Annotated[
    Path | None,
    Option(
        "--metrics-file",
        metavar="FILE.prom",
        envvar="FLEETPATCH_METRICS_FILE",
        help="Metrics for node_exporter's textfile collector; a folder has a file for each plan"
        " [$FLEETPATCH_METRICS_FILE].",
    ),
]
MetricsListenOption: TypeAlias = Annotated[
    str | None,
    Option(
        "--metrics-listen",
        metavar="ADDR:PORT",
        envvar="FLEETPATCH_METRICS_LISTEN",
        help="Serve metrics here while the command runs [$FLEETPATCH_METRICS_LISTEN].",
    ),
]
MetricsPushOption: TypeAlias = Annotated[
    str | None,
    Option(
        "--metrics-push",
        metavar="URL",
        envvar="FLEETPATCH_METRICS_PUSH",
        help="Push metrics to this Pushgateway [$FLEETPATCH_METRICS_PUSH].",
    ),
]
WaitOption: TypeAlias = Annotated[
    bool, Option("--wait", help="Wait until the plan's window is open.")
]
