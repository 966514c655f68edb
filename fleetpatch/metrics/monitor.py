"""Writes the metrics of one command: at its start, interval 15 seconds, and at its end.

The session hands over values that do not change any more, so what is shown costs it a reference.
Samples are computed, written and pushed by threads, which the end of the command awaits for a
bounded time. What fails then is kept in `problems` and never ends the command.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from fleetpatch.errors import Exit, UsageError
from fleetpatch.metrics import prometheus
from fleetpatch.metrics.addresses import Gateway
from fleetpatch.metrics.catalog import Metric
from fleetpatch.metrics.listener import Listener
from fleetpatch.metrics.samples import Last, Sample, Snapshot, samples_of
from fleetpatch.metrics.textfile import Textfile
from fleetpatch.model.cause import CauseCode
from fleetpatch.model.live import ClusterLoad, StatusReport
from fleetpatch.model.plan.digest import restore
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunState, Summary

INTERVAL: Final = 15.0
"""Seconds between two writes."""
_LAST: Final = prometheus.PUSH_TIMEOUT + 1.0
"""Seconds that the end of a command waits for the last write."""
_SILENT: Final = 4 * INTERVAL
"""Seconds after which a process that has not written how it ended counts as dead."""
_AT_ONCE: Final = 1.0
"""The same, after the second signal."""


class Places(msgspec.Struct, frozen=True):
    """Where metrics are shown; those that are None are not."""

    textfile: Textfile | None = None
    address: tuple[str, int] | None = None
    gateway: Gateway | None = None


class Monitor:
    """Implements the port `Monitor` for one command; `close` must be called at its end.

    `word` names the plan until it is known. Raises UsageError if the port cannot be listened on.
    """

    def __init__(
        self,
        command: str,
        word: str,
        places: Places,
        *,
        wall: Callable[[], float] = time.time,
        interval: float = INTERVAL,
    ) -> None:
        self.problems: list[str] = []
        self._textfile, self._gateway = places.textfile, places.gateway
        self._wall, self._interval = wall, interval
        self._now = Snapshot(word, command, started_at=wall(), at=wall())
        self._is_known = False
        # Another process carries the plan out, and writes its file.
        self._is_taken = False
        self._failed: set[str] = set()
        self._is_over = threading.Event()
        # One for each place, so that one that hangs does not hold up the other. Daemons, so that
        # it does not keep the process from ending.
        self._threads = [
            threading.Thread(target=self._run, args=(write,), name="metrics", daemon=True)
            for write in (self._write, self._push)
        ]
        self._listener = _listener(places.address, self.samples)

    def planned(self, plan: Plan) -> None:
        """Show the metrics of this plan. Raises UsageError if the file has those of another."""
        self._know(plan.name)
        self._now = replace(self._now, window=plan.window.window() if plan.window else None)
        self._begin()

    def summarized(self, summary: Summary) -> None:
        """Show a run. Raises as `planned`."""
        if not self._is_known:
            self._know(summary.info.plan_name)
            try:
                plan = restore(summary.info.plan)
            except (ValueError, RecursionError):
                plan = None  # it says so when it is carried out
            if plan is not None and plan.window is not None:
                self._now = replace(self._now, window=plan.window.window())
        before = self._now.summary
        if before is not None and before.info.run != summary.info.run:
            self._now = replace(self._now, live=None, loads={})
        self._now = replace(self._now, summary=summary)
        self._begin()

    def reported(
        self, report: StatusReport, loads: Callable[[], Mapping[str, ClusterLoad]]
    ) -> None:
        """Show how the run gets on, which only one process carries out."""
        self._is_taken = False
        self._now = replace(self._now, summary=report.summary, live=report.live, loads=loads())

    def samples(self) -> Iterable[tuple[Metric, Sequence[Sample]]]:
        """Return the samples at this moment; called by threads."""
        now = self._now
        return samples_of(replace(now, at=self._wall()) if now.is_running else now)

    def close(self, code: int, cause_code: str = "") -> None:
        """Show how the command ended; `cause_code` is that of its run by default."""
        self._end(code, cause_code)
        self._join(_LAST)
        if self._listener is not None:
            self._listener.close()

    def exit_now(self, code: int) -> None:
        """Show that a signal ends the command at once; called by the signal handler."""
        if not self._is_over.is_set():
            self._end(code, CauseCode.INTERRUPTED)
        self._join(_AT_ONCE)

    def _end(self, code: int, cause_code: str) -> None:
        now, last, summary = self._wall(), self._last(), self._now.summary
        success = now if code == Exit.OK and self._has_finished() else last.succeeded_at
        cause = cause_code or (summary.cause_code if summary else "")
        last = Last(now, int(code), cause, success)
        self._now = replace(self._now, is_running=False, at=now, last=last)
        self._is_taken = self._is_taken and code == Exit.LOCKED
        self._is_over.set()
        self._begin()

    def _know(self, plan: str) -> None:
        self._now = replace(self._now, plan=plan)
        self._is_known = True
        if self._textfile is None:
            return
        try:
            found = self._textfile.read(plan)
            self._textfile.require_own(plan, found.plan)
        except UsageError:
            self._textfile = None
            raise
        self._now = replace(self._now, last=found.last)
        running_at = found.running_at
        self._is_taken = running_at is not None and self._wall() - running_at < _SILENT

    def _last(self) -> Last:
        """Return how the command before ended; one that did not get to its plan takes the file's.

        A plan that cannot be read has no name, but its file was written when it could.
        """
        if self._is_known or self._textfile is None:
            return self._now.last
        try:
            found = self._textfile.read(self._now.plan)
        except UsageError:
            self._textfile = None
            return self._now.last
        self._now = replace(self._now, plan=found.plan)
        return found.last

    def _has_finished(self) -> bool:
        summary = self._now.summary
        return (
            summary is not None
            and summary.state is RunState.FINISHED
            and not summary.info.dry_run
            and not summary.info.undo_of
        )

    def _begin(self) -> None:
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def _join(self, seconds: float) -> None:
        """Wait for the last writes, `seconds` at most."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
        file, push = (thread.is_alive() for thread in self._threads)
        if file and self._textfile is not None:
            self._fail(f"{self._textfile.path_of(self._now.plan)}: cannot be written (timed out)")
        if push and self._gateway is not None:
            self._fail(f"{self._gateway.shown}: cannot be pushed to (timed out)")

    def _run(self, write: Callable[[], None]) -> None:
        while True:
            is_over = self._is_over.is_set()
            write()
            if is_over:
                return
            self._is_over.wait(self._interval)

    def _write(self) -> None:
        plan, textfile = self._now.plan, self._textfile
        if textfile is None or self._is_taken:
            return
        try:
            textfile.write(plan, prometheus.text_of(self.samples))
        except OSError as error:
            reason = error.strerror or error
            self._fail(f"{textfile.path_of(plan)}: cannot be written ({reason})")

    def _push(self) -> None:
        if self._gateway is None:
            return
        try:
            prometheus.push(self._gateway, self._now.plan, self.samples)
        except OSError as error:
            self._fail(f"{self._gateway.shown}: cannot be pushed to ({error})")

    def _fail(self, problem: str) -> None:
        """Note a problem, the first one of each place."""
        place, _, _ = problem.partition(": ")
        if place not in self._failed:
            self._failed.add(place)
            self.problems.append(f"metrics: {problem}; the run is not affected")


def _listener(address: tuple[str, int] | None, collect: prometheus.Collect) -> Listener | None:
    if address is None:
        return None
    try:
        return prometheus.listener(*address, collect)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a host
        host, port = address
        reason = getattr(error, "strerror", None) or "it is not a valid name of a host"
        raise UsageError(
            f"--metrics-listen: cannot listen on port {port} of {host}"
            f" ({reason}); nothing was sent: name another address"
        ) from error
