"""What the planning of a run and that of its undo have in common: its facts, and its log."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from fleetpatch._version import __version__
from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.running.log import log_server_warnings, open_log_of
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.whoami import whoami
from fleetpatch.engine import events
from fleetpatch.errors import LogError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import run_names
from fleetpatch.model.run import ClusterInfo, RunInfo, Standing, Summary
from fleetpatch.model.times import rfc3339
from fleetpatch.report.wording import kept

_ENDED = frozenset({Standing.UNCHANGED, Standing.SKIPPED})
"""The outcomes that a target can have once it is planned."""


def new_run(
    campaign: str,
    settings: Settings,
    *,
    plan_name: str,
    plan_digest: str,
    plan: str,
    clusters: Sequence[ClusterInfo],
    description: str,
    annotations: Mapping[str, str],
    plan_folder: str,
    dry_run: bool = False,
    undo_of: str = "",
) -> RunInfo:
    """Create the RunInfo of a run of `campaign` that is planned now."""
    now = settings.clock.wall()
    return RunInfo(
        # Random bits, since two runs of a plan may be planned at the same moment.
        run=run_names.compose(campaign, datetime.fromtimestamp(now, UTC), secrets.randbits(8)),
        plan_name=plan_name,
        plan_digest=plan_digest,
        plan=plan,
        created_at=rfc3339(now),
        created_by=whoami(),
        tool_version=__version__,
        clusters=tuple(clusters),
        dry_run=dry_run,
        undo_of=undo_of,
        reason=settings.reason,
        description=description,
        annotations=dict(annotations),
        plan_folder=plan_folder,
    )


def log_expansion(journal: RunFile, clusters: Sequence[ReadCluster], settings: Settings) -> Summary:
    """Log the expansion, and each target that needs no patch.

    Raises LogError, which names the run: the run is planned by then, and stays.
    """
    summary = queries.summary(journal)
    try:
        with open_log_of(journal.path, summary.info.run, settings) as log:
            events.plan_expanded(log, summary)
            log_server_warnings(log, clusters, known=())
            # A nightly call that finds nothing left to do does not log each object of the fleet.
            ended = _ENDED if summary.tally.open else frozenset({Standing.SKIPPED})
            found = queries.targets(journal, ended)
            events.target_settled(
                log, ((one.target, one.settlement) for one in found if one.settlement is not None)
            )
    except LogError as error:
        raise LogError(f"{error}; nothing was sent; {kept(summary)}") from error
    return summary
