"""Opens the log of a run, and writes what a session logs at its start.

A module of its own because planning, applying and undoing use it, and undoing imports both others.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

from fleetpatch._version import __version__
from fleetpatch.campaign.running.lanes import LoggedCluster
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.whoami import whoami
from fleetpatch.engine import events
from fleetpatch.errors import FleetpatchError, LogError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.answer import MAX_WARNING_TEXTS
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.ports import Events
from fleetpatch.model.run import RunInfo
from fleetpatch.report.logs import Log, open_log


def open_log_of(run_file: Path, run: str, settings: Settings) -> AbstractContextManager[Log]:
    """Open the log of the run with the id `run`. Raises as `fleetpatch.report.logs`."""
    return open_log(
        settings.log_of(run_file),
        run=run,
        is_default_path=settings.log_file is None,
        max_size=settings.log_max_size,
        now=settings.clock.wall,
    )


@contextmanager
def refusals_logged(plan_file: Path, settings: Settings) -> Iterator[None]:
    """Log an error that ends the block before there is a run, if a person named a log.

    Without a run the log has no other place.
    """
    try:
        yield
    except FleetpatchError as error:
        cause = Cause(CauseCode(error.cause_code), str(error))
        # The error of the block is the one to be seen.
        with suppress(LogError):
            if settings.log_file is not None:
                with open_log_of(plan_file, "", settings) as log:
                    events.apply_refused(
                        log, plan=str(plan_file), cause=cause, exit_code=error.exit_code
                    )
        raise


def log_start(log: Events, info: RunInfo, fleet: Sequence[LoggedCluster]) -> None:
    """Log that a session of a run begins, and what is noteworthy about its clusters."""
    servers = {cluster.name: cluster.server for cluster in fleet}
    events.run_started(
        log, info, by=whoami(), pid=os.getpid(), version=__version__, servers=servers
    )
    for cluster in fleet:
        if cluster.insecure:
            events.cluster_insecure(log, cluster.name, cluster.server)
        for warning in cluster.kubeconfig_warnings:
            events.kubeconfig_warning(log, cluster.name, warning)
    # A reader of the log should see the start at once; the first outcomes may take a while.
    log.flush()


def log_latest_outcomes(log: Events, journal: RunFile) -> None:
    """Log the outcomes that were recorded last before a crash.

    The process may have crashed between the commit and the log, so their lines may be missing.
    A line that is in the log twice is harmless.
    """
    events.target_settled(log, queries.latest(journal))
    log.flush()


def log_server_warnings(
    log: Events, fleet: Sequence[LoggedCluster], known: Collection[str]
) -> None:
    """Log each text that a server warns with, so far and from now on, once.

    `known` are the texts that were logged before. At most `MAX_WARNING_TEXTS` are logged in all.
    """
    logged = set(known)

    def log_once(cluster: str, text: str) -> None:
        if text not in logged and len(logged) < MAX_WARNING_TEXTS:
            logged.add(text)
            events.server_warning(log, cluster, text)

    # Warnings of the discovery arrived before there was a log.
    for server in fleet:
        for text in server.warnings.counts:
            log_once(server.name, text)
        server.warnings.on_new = partial(log_once, server.name)
