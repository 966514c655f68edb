"""Settles the targets that an earlier session left in doubt, by reading them; nothing is sent."""

from fleetpatch.campaign.running.log import open_log_of
from fleetpatch.campaign.running.session import Session
from fleetpatch.campaign.settings import Settings, Stop
from fleetpatch.errors import (
    ClusterError,
    CredentialsError,
    FleetpatchError,
    Refused,
    UnreachableError,
)
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import CauseCode

_ERRORS: dict[str, type[FleetpatchError]] = {
    CauseCode.UNREACHABLE: UnreachableError,
    CauseCode.CLUSTER_FAILING: ClusterError,
    CauseCode.CREDENTIALS_REFUSED: CredentialsError,
}
"""The error of a cause that is not about single objects: the server could not be asked."""


async def settle_doubtful(journal: RunFile, settings: Settings) -> None:
    """Settle the targets in doubt of an open run file by reading them.

    Raises UnreachableError, ClusterError or CredentialsError if a server cannot be asked, and
    Refused if it does not show single objects.
    """
    summary = queries.summary(journal)
    if not summary.tally.in_doubt:
        return
    with open_log_of(journal.path, journal.info.run, settings) as log:
        summary = await Session(journal, summary, settings, log, Stop(), read_only=True).run()
    if summary.tally.in_doubt:
        raise _ERRORS.get(summary.cause_code, Refused)(
            f"{journal.path}: {summary.tally.in_doubt} targets may have been changed and cannot be "
            f"read ({summary.cause}); undo it when the server can be reached"
        )
