"""A log and a progress that record their calls."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import asdict

from fleetpatch.model.live import StatusReport
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.target_line import TargetLine


@dataclass
class FakeEvents:
    """Implements the port Events; `on_event` is called with each line before it is recorded.

    `flushed` is the number of lines at the last flush.
    """

    lines: list[dict[str, Any]] = field(default_factory=list)
    flushed: int = 0
    on_event: Callable[[dict[str, Any]], None] = lambda _line: None

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def targets(self, level: str, event: str, lines: Iterable[TargetLine]) -> None:
        for line in lines:
            fields = asdict(line)
            if not line.detail:
                del fields["detail"]
            self._write(level, event, fields)

    def flush(self) -> None:
        self.flushed = len(self.lines)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        line = {"level": level, "event": event, **fields}
        self.on_event(line)
        self.lines.append(line)


@dataclass
class FakeProgress:
    """Implements the port Progress."""

    found: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    retries: int = 0
    limits: dict[str, str] = field(default_factory=dict)
    waves: list[tuple[int, int, float | None]] = field(default_factory=list)
    reports: list[StatusReport] = field(default_factory=list)

    def planned(self, found: int) -> None:
        self.found += found

    def settled(self, outcome: Outcome, count: int) -> None:
        self.outcomes[outcome] += count

    def retried(self) -> None:
        self.retries += 1

    def limited(self, place: str, what: str) -> None:
        self.limits[place] = what

    def wave(self, number: int, of: int, starts_at: float | None) -> None:
        self.waves.append((number, of, starts_at))

    def reported(self, report: StatusReport) -> None:
        self.reports.append(report)
