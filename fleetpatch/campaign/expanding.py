"""From a plan to a run file: resolve kinds and namespaces, survey, seal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleetpatch.campaign.births import new_run
from fleetpatch.campaign.changes import depends_on_version
from fleetpatch.campaign.fleet import open_fleet
from fleetpatch.campaign.logs import open_log_of
from fleetpatch.campaign.narrating import narrate_warnings
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.sweeping import kinds_of, sweeps_of
from fleetpatch.engine.scribe import Scribe
from fleetpatch.engine.survey import Survey, Sweep
from fleetpatch.journal import folds, locator
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.digest import canonical, digest
from fleetpatch.model.plan.fitting import refuse_unfit
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.run import ClusterInfo, RunInfo, Standing, Summary, Usage
from fleetpatch.rules.guards import refuse_clashes, refuse_none, refuse_unselective
from fleetpatch.rules.narrating import tell

_ENDED = frozenset({Standing.UNCHANGED, Standing.SKIPPED})
"""How a target can end where it is planned."""


async def expand(
    plan: Plan | PlanFile,
    settings: Settings | None = None,
    *,
    run_file: Path | None = None,
    everything: bool = False,
    dry_run: bool = False,
) -> Summary:
    """Expand `plan` into targets and write them to a new run file; nothing is patched.

    Given the file, problems that only the clusters bring to light are placed in it, too.

    `everything` allows selectors that match all there is, `dry_run` marks the run as a rehearsal.
    Raises PlanError where the kinds do not take the patch, before anything is listed; Refused where
    a guard says no (no run file is left behind then); ClusterError, CredentialsError,
    KubeconfigError and RunFileError.
    """
    settings = settings or Settings()
    source = plan if isinstance(plan, PlanFile) else PlanFile.of(plan)
    plan = source.plan
    refuse_unselective([block.narrowing for block in plan.targets], everything=everything)
    started = settings.clock.monotonic()
    async with open_fleet(plan, settings) as clusters:
        info = _info(plan, clusters, settings, dry_run=dry_run)
        path = run_file or _new_path(settings, info.run)
        kinds = [
            await kinds_of(cluster, [name for block in plan.targets for name in block.kinds])
            for cluster in clusters
        ]
        refuse_unfit(source, zip(_providers(plan), kinds, strict=True), rehearsal=dry_run)
        sweeps = [
            sweep
            for cluster, known in zip(clusters, kinds, strict=True)
            for sweep in await sweeps_of(plan, cluster, known)
        ]
        releases = await _releases(plan, clusters)
        journal = RunFile.create(path, info, wall=settings.clock.wall)
        with journal.planning():
            journal.note_releases(releases)
            await _fill(journal, plan, sweeps, settings)
            journal.seal(sizes=plan.waves.sizes if plan.waves else (), seed=info.plan_digest)
            elapsed = settings.clock.monotonic() - started
            journal.count(_usage(clusters, elapsed), _warnings(clusters))
        with journal:
            return _narrate(journal, clusters, settings)


def _new_path(settings: Settings, run: str) -> Path:
    """Where the run file of a new run goes, in the state folder."""
    locator.prepare(settings.runs.parent)
    return locator.run_path(settings.runs, run)


def _info(
    plan: Plan, clusters: Sequence[ApiServer], settings: Settings, *, dry_run: bool
) -> RunInfo:
    return new_run(
        plan.name,
        settings,
        plan_name=plan.name,
        plan_digest=digest(plan),
        plan=canonical(plan),
        clusters=[ClusterInfo(c.name, c.server, c.context) for c in clusters],
        dry_run=dry_run,
    )


async def _releases(plan: Plan, clusters: Sequence[ApiServer]) -> Mapping[str, str]:
    """The version of each cluster, where the plan's patch is one that versions merge differently.

    The run file keeps it: what was planned by a version's rules is carried out by them.
    """
    if not depends_on_version(plan.patch.change()):
        return {}
    return {cluster.name: await cluster.release() for cluster in clusters}


def _providers(plan: Plan) -> list[ProviderName]:
    """The provider of each cluster, in the fleet's order."""
    return [ProviderName(ref.provider) for ref in plan.fleet] or [ProviderName.KUBERNETES]


async def _fill(journal: RunFile, plan: Plan, sweeps: Sequence[Sweep], settings: Settings) -> None:
    survey = Survey(
        plan.patch.change(),
        Scribe(journal),
        settings.progress,
        max_targets=plan.guards.max_targets,
        releases=journal.releases,
    )
    await survey.run(sweeps)
    if plan.guards.on_clash == "refuse":
        refuse_clashes(survey.clashes, survey.first_clash)
    refuse_none(survey.found, [str(sweep) for sweep in sweeps])
    for name in survey.inconsistent:
        journal.mark_inconsistent(name)


def _usage(clusters: Sequence[ApiServer], elapsed: float) -> Usage:
    lists = sum(cluster.requests["list"] for cluster in clusters)
    gets = sum(cluster.requests["get"] for cluster in clusters)
    return Usage(get=gets, list=lists, elapsed=elapsed)


def _warnings(clusters: Sequence[ApiServer]) -> Counter[str]:
    """What the servers warned of."""
    counts: Counter[str] = Counter()
    for cluster in clusters:
        counts.update(cluster.warnings.counts)
    return counts


def _narrate(journal: RunFile, clusters: Sequence[ApiServer], settings: Settings) -> Summary:
    """Log what was planned, and each target that ended with the planning."""
    summary = folds.summary(journal)
    with open_log_of(journal.path, summary.info.run, settings) as log:
        log.info(
            "plan.expanded",
            plan=summary.info.plan_name,
            digest=summary.info.plan_digest,
            by=summary.info.created_by,
            version=summary.info.tool_version,
            targets=summary.tally.total,
            pending=summary.tally.pending,
            unchanged=summary.tally.unchanged,
            skipped=summary.tally.skipped,
            inconsistent=summary.inconsistent,
            dry_run=summary.info.dry_run,
        )
        narrate_warnings(log, clusters, known=())
        for listed in folds.targets(journal, _ENDED):
            if listed.settlement is not None:
                tell(log, listed.target, listed.settlement)
    return summary
