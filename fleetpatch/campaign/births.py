"""What every new run is born with: an id, a time, a maker."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from fleetpatch._version import __version__
from fleetpatch.campaign.settings import Settings, whoami
from fleetpatch.journal.locator import run_id
from fleetpatch.model.run import ClusterInfo, RunInfo


def new_run(
    called: str,
    settings: Settings,
    *,
    plan_name: str,
    plan_digest: str,
    plan: str,
    clusters: Sequence[ClusterInfo],
    dry_run: bool = False,
    undo_of: str = "",
) -> RunInfo:
    """Describe a run that begins now; its id starts with `called`. The rest is as in RunInfo."""
    now = datetime.fromtimestamp(settings.clock.wall(), UTC)
    return RunInfo(
        run=run_id(called, now, secrets.randbits(24)),
        plan_name=plan_name,
        plan_digest=plan_digest,
        plan=plan,
        created_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        created_by=whoami(),
        tool_version=__version__,
        clusters=tuple(clusters),
        dry_run=dry_run,
        undo_of=undo_of,
    )
