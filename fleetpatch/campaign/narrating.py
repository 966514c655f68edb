"""What the log is told of a session as a whole, and of its retries."""

import os
from collections.abc import Collection, Sequence
from functools import partial

from fleetpatch._version import __version__
from fleetpatch.campaign.settings import whoami
from fleetpatch.engine.events import tell
from fleetpatch.engine.retry import RetryRecord
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.answer import MAX_WARNING_TEXTS
from fleetpatch.model.ports import Events
from fleetpatch.model.run import RunInfo


def narrate_start(log: Events, info: RunInfo, fleet: Sequence[ApiServer]) -> None:
    """Tell who begins what, and where."""
    log.info(
        "run.started",
        plan=info.plan_name,
        digest=info.plan_digest,
        undo_of=info.undo_of,
        by=whoami(),
        pid=os.getpid(),
        version=__version__,
        servers={cluster.name: cluster.server for cluster in fleet},
        dry_run=info.dry_run,
    )
    for cluster in fleet:
        if cluster.insecure:
            log.warning("cluster.insecure", cluster=cluster.name, server=cluster.server)
        for warning in cluster.kubeconfig_warnings:
            log.warning("kubeconfig.warning", cluster=cluster.name, detail=warning)
    log.flush()


def narrate_again(log: Events, journal: RunFile) -> None:
    """Tell of the last outcomes before a crash, which may have come between record and log."""
    for target, settlement in queries.latest(journal):
        tell(log, target, settlement)
    log.flush()


def narrate_retry(log: Events, retry: RetryRecord) -> None:
    """Tell of an attempt that will be made again."""
    target = retry.target
    log.info(
        "attempt.retried",
        cluster=target.cluster,
        kind=target.resource.name,
        namespace=target.namespace,
        name=target.name,
        uid=target.uid,
        attempts=retry.attempt,
        http_status=retry.http_status,
        verdict=retry.verdict,
        wait_ms=round(retry.wait * 1000, 1),
        detail=retry.detail,
    )


def narrate_warnings(log: Events, fleet: Sequence[ApiServer], known: Collection[str]) -> None:
    """Tell of each text that a server warns with, from now on, once; `known` were told before.

    At most `MAX_WARNING_TEXTS` are told in all.
    """
    told = set(known)

    def tell_of(cluster: str, text: str) -> None:
        if text not in told and len(told) < MAX_WARNING_TEXTS:
            told.add(text)
            log.warning("server.warning", cluster=cluster, detail=text)

    for server in fleet:
        for text in server.warnings.counts:
            tell_of(server.name, text)
        server.warnings.on_new = partial(tell_of, server.name)
