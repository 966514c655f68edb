"""The log of a run: JSON Lines, one event a line; an interface (docs/reference.md, "Log").

`processors()` turn each event into one line of bytes. Lines are buffered until `flush`, which is
called after each group commit, or until the buffer has 64 KiB. `fleetpatch.report.logfile` appends
whole lines to the file, so that several runs can share it.

The run file is the record, and the log only describes it: lines are not synced to the disk, and a
crash may lose the last few. But a line that *cannot* be written (disk full, pipe closed) is an
error and stops the run, because a run must not patch without a log.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from msgspec.structs import astuple, replace
from structlog.typing import Processor

from fleetpatch.errors import LogError
from fleetpatch.model.masking import REDACTED, is_secret_name, mask
from fleetpatch.model.target_line import TargetLine
from fleetpatch.model.text import clean
from fleetpatch.report.logfile import LogFile

Line = MutableMapping[str, Any]

_encode: Final = msgspec.json.Encoder().encode
_encode_lines: Final = msgspec.json.Encoder().encode_lines

_SAME_TIME: Final = 100
"""Lines of targets that have the same timestamp, at most."""

_HEAD: Final = dict.fromkeys(("timestamp", "level", "event", "run"))
"""The first keys of every line, in this order; the processors fill in their values."""


class Log(structlog.BoundLoggerBase):
    """Implements the port `Events`; fields of `log.bind(cluster=...)` are in every line."""

    def info(self, event: str, **fields: Any) -> None:
        """Log an event. Raises LogError when a full buffer cannot be written."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log an event that a person should look at. Raises as `info`."""
        self._write("warning", event, fields)

    def targets(self, level: str, event: str, lines: Iterable[TargetLine]) -> None:
        """Log an event of many targets. Raises as `info`.

        The lines are those that the processors would make of the same fields. Most of a run's lines
        are of targets, so only what they have in common passes the processors, and they are checked
        and encoded together.
        """
        left = iter(lines)
        while some := list(islice(left, _SAME_TIME)):
            (common,), _ = self._process_event(level, event, {})
            head = common.removesuffix(b"}\n") + b","
            # A line end in a value is escaped, so these are the beginnings of the lines.
            rests = _encode_lines(_safe_targets(some))[1:].split(b"\n{")
            self._logger.write(head + (b"\n" + head).join(rests))

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        # The last processor returns the line as bytes, and all levels are written alike.
        (line,), _ = self._process_event(level, event, fields)
        self._logger.write(line)

    def flush(self) -> None:
        """Hand all lines to the operating system. Raises LogError."""
        self._logger.flush()


@contextmanager
def open_log(
    path: Path,
    *,
    run: str,
    is_default_path: bool = False,
    max_size: int | None = None,
    now: Callable[[], float] = time.time,
) -> Iterator[Log]:
    """Open the log of a run, appended to `path`, which is created with mode 0600 if missing.

    A path that a person chose, and not the default one, may be a device or a pipe. A file is
    rotated before it becomes larger than `max_size` bytes. `now` returns seconds since the epoch.
    Raises LogError, here or from any method of the log, when the file cannot be opened or written.
    Buffered lines are written at the end of the block.
    """
    file = LogFile(path, is_default_path=is_default_path, max_size=max_size)
    try:
        yield Log(file, processors(now), _HEAD | {"run": run})
    except BaseException:
        with suppress(LogError):  # do not hide the error of the block
            file.close()
        raise
    file.close()


def processors(now: Callable[[], float] = time.time) -> tuple[Processor, ...]:
    """Return the processors that every event passes, in this order."""
    return (
        # First, since only the fields of the caller can hold what a server sent.
        make_safe,
        add_level,
        _Stamp(now),
        encode,
    )


def make_safe(_logger: Any, _method: str, line: Line) -> Line:
    """Remove control characters, mask secrets, and cut strings at 500 characters."""
    for key in _secret_keys(tuple(line)):
        line[key] = REDACTED
    for key, value in line.items():
        # A call for each value would cost as much as all else that is done for a line.
        if type(value) is str:
            if not _is_harmless(value):
                line[key] = _washed(value)
        elif value is not None and type(value) is not int:
            line[key] = _safe(value)
    return line


def _safe_targets(lines: Sequence[TargetLine]) -> Sequence[TargetLine]:
    """Return the lines of targets with what `make_safe` makes of their fields."""
    names = list(map(_names, lines))
    # Most often all of them are safe, which is quickly seen.
    are_safe = (
        _have_harmless_characters("".join(names))
        and max(map(len, names)) <= _LONGEST
        and {one.detail for one in lines} == {""}
        and [round(one.elapsed_ms, 3) for one in lines] == [one.elapsed_ms for one in lines]
    )
    return lines if are_safe else list(map(_safe_target, lines))


def _safe_target(line: TargetLine) -> TargetLine:
    elapsed = round(line.elapsed_ms, 3)
    # If all names together are harmless and not too long, so is each.
    if _is_harmless(_names(line)) and not line.detail:
        return line if elapsed == line.elapsed_ms else replace(line, elapsed_ms=elapsed)
    return TargetLine(*map(_safe, astuple(line)))


def _names(line: TargetLine) -> str:
    return f"{line.cluster}/{line.kind}/{line.namespace}/{line.name}/{line.uid}"


def add_level(_logger: Any, method: str, line: Line) -> Line:
    """Add `level`: the name of the method called."""
    line["level"] = method
    return line


class _Stamp:
    """Adds `timestamp`: RFC 3339 in UTC, with milliseconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._second = -1
        self._text = ""

    def __call__(self, _logger: Any, _method: str, line: Line) -> Line:
        second, thousandths = divmod(int(self._now() * 1000), 1000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        line["timestamp"] = f"{self._text}.{thousandths:03}Z"
        return line


def encode(_logger: Any, _method: str, line: Line) -> bytes:
    """Encode the event as one line of JSON."""
    return _encode(line) + b"\n"


def _safe(value: Any) -> Any:
    # The most frequent types first: most of the time of a log line is spent here.
    if isinstance(value, str):
        return value if _is_harmless(value) else _washed(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, Mapping):
        inner = {clean(str(key)): one for key, one in value.items()}
        secret = _secret_keys(tuple(inner))
        return {key: REDACTED if key in secret else _safe(one) for key, one in inner.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(one) for one in value]
    return mask(clean(str(value)))


_LONGEST: Final = 500
"""Characters of a value that is not cut."""

_have_harmless_characters: Final = re.compile(r"[a-z0-9._/-]*").fullmatch
_is_harmless: Final = re.compile(rf"[a-z0-9._/-]{{0,{_LONGEST}}}").fullmatch
"""Matches most values: names, uids and reason codes, which need no cleaning and no masking."""


@lru_cache(maxsize=64)
def _washed(text: str) -> str:
    """Clean and mask a text; cached for the name of the run, which is in every line."""
    return mask(clean(text))


@lru_cache(maxsize=256)
def _secret_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that name a secret; cached, since the lines of an event share their keys."""
    return tuple(key for key in keys if is_secret_name(key))
