"""`verify`: reads the objects of a run again, and keeps in its run file what it found."""

from collections.abc import Collection
from pathlib import Path

from fleetpatch.campaign.clusters import clusters_of_run
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.running.log import open_log_of
from fleetpatch.campaign.running.open_run import open_alone
from fleetpatch.campaign.servers import require_same_servers
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.usage import usage_of, warnings_of
from fleetpatch.campaign.verification import Verifier
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import UsageError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import ObjectId
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.run import Summary


async def verify(
    run_file: Path | str,
    settings: Settings | None = None,
    *,
    left_out: Collection[ObjectId] = frozenset(),
) -> Summary:
    """Verify the applied targets of a run; return its summary, with the verification.

    Nothing is sent but reads, so other runs of the plan may go on meanwhile. Objects that are
    `left_out` are not verified. Raises UsageError for a dry run, a run that has changed nothing and
    a run that was planned on other servers than its plan leads to now; Locked if a process uses the
    run; the error of the first cluster if none can be read; and as `apply`.
    """
    run_file, settings = Path(run_file), settings or Settings()
    with open_alone(run_file, settings) as journal:
        plan = plan_of(journal)
        _require_changes(journal)
        require_same_servers(journal.info, plan)
        with open_log_of(run_file, journal.info.run, settings) as log:
            async with clusters_of_run(journal.info, plan, settings) as clusters:
                verifier = Verifier(journal, JournalWriter(journal), settings, log)
                try:
                    _, failed = await verifier.run(clusters, left_out=left_out)
                finally:
                    journal.count(usage_of(clusters), warnings_of(clusters))
        for error in failed:
            settings.warn(f"{error}; its objects were not verified")
        return queries.summary(journal)


def changed_objects(run_file: Path) -> set[ObjectId]:
    """Return the objects that a run has changed."""
    with RunFile.open(run_file) as journal:
        return set(queries.ended_objects(journal, Outcome.APPLIED))


def _require_changes(journal: RunFile) -> None:
    run = journal.info.run
    if journal.info.dry_run:
        raise UsageError(f"{run}: it was a dry run and changed nothing that could be verified")
    if not queries.summary(journal).tally.applied:
        raise UsageError(f"{run}: no target of it was applied; there is nothing to verify")
