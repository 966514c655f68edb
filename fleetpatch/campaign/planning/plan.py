"""Expands a plan into a run file: resolve kinds and namespaces, list, seal."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec.structs import replace

from fleetpatch.campaign.change import depends_on_version
from fleetpatch.campaign.clusters import ReadCluster, clusters_to_plan
from fleetpatch.campaign.expressions import evaluating
from fleetpatch.campaign.planning.coverage import check_coverage
from fleetpatch.campaign.planning.dependents import blocks_with_dependents, dependents_of
from fleetpatch.campaign.planning.kinds import resolve_kinds
from fleetpatch.campaign.planning.new_run import log_expansion, new_run
from fleetpatch.campaign.planning.object_lists import missing_drafts
from fleetpatch.campaign.planning.reach import Reach
from fleetpatch.campaign.running import steering
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.targets import list_queries_of
from fleetpatch.campaign.usage import usage_of, warnings_of
from fleetpatch.engine.dependents import Dependents, DependentSurvey
from fleetpatch.engine.survey import KeptOwners, ListQuery, Survey
from fleetpatch.engine.writer import JournalWriter
from fleetpatch.errors import ClusterError, UnselectiveError
from fleetpatch.journal import tables
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog
from fleetpatch.model.change import merges_by_schema
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.plan.digest import canonical, digest
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Draft, Expressions
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo, Summary
from fleetpatch.model.text import clean
from fleetpatch.rules.patching.merging import RunMerging, ServerMerging
from fleetpatch.rules.planning.guards import (
    find_unselective,
    refuse_clashes,
    refuse_errors,
    refuse_none,
    refuse_shared,
)


async def expand(
    plan: Plan | PlanFile,
    settings: Settings | None = None,
    *,
    run_file: Path | None = None,
    everything: bool = False,
    dry_run: bool = False,
) -> Summary:
    """Expand `plan` into targets and write them to a new run file; nothing is patched.

    With a PlanFile, errors that only the clusters can show have their place in the file, too.
    `everything` allows selectors that match every object; `dry_run` marks the run as a dry run.

    Raises PlanError if kinds are not served or do not take the patch, before anything is listed;
    Refused if a guard refuses the plan (then no run file is left); ClusterError, CredentialsError,
    KubeconfigError and RunFileError; LogError if the plan cannot be logged (the run is kept).
    """
    settings = settings or Settings()
    source = plan if isinstance(plan, PlanFile) else PlanFile.of(plan)
    with settings.span.child("expansion", {"fleetpatch.plan": source.plan.name}) as span:
        summary = await _expand(source, settings, run_file, everything=everything, dry_run=dry_run)
        span.note(
            {"fleetpatch.run": summary.info.run, "fleetpatch.targets.total": summary.tally.total}
        )
        return summary


async def _expand(
    source: PlanFile,
    settings: Settings,
    run_file: Path | None,
    *,
    everything: bool,
    dry_run: bool,
) -> Summary:
    plan = source.plan
    # Before any request, since this guard needs only the plan.
    if not everything:
        source.refuse(find_unselective(plan.targets), UnselectiveError)
    started = settings.clock.monotonic()
    info = _info(source, settings, dry_run=dry_run)
    async with AsyncExitStack() as stack:
        clusters = await stack.enter_async_context(
            clusters_to_plan(info, plan, settings, source.tables)
        )
        path = run_file or _new_path(settings, info.run)
        expressions = await stack.enter_async_context(
            evaluating(plan, source.tables, info.created_at, clusters)
        )
        reach = Reach(plan)
        kinds = await resolve_kinds(source, clusters, reach, dry_run=dry_run)
        list_queries, dependents, merging = await _queries(
            source, reach.reached(clusters), kinds, reach
        )
        info = replace(info, clusters=reach.infos(clusters))
        journal = RunFile.create(path, info, now=settings.clock.wall)
        # Removes the file again if anything in the block raises: a refused plan leaves no run.
        with journal.planning():
            stack.enter_context(steering.holding(path))
            if merging.releases:
                journal.note_merging(merging)
            if expressions and (content := expressions.tables_of_where()):
                tables.note_tables(journal, content)
            survey = await _fill(
                journal, source, list_queries, dependents, settings, reach, expressions, merging
            )
            # Also those that were lost while they were listed: some of their objects are unknown.
            reached = [cluster.name for cluster in reach.reached(clusters)]
            missing = list(missing_drafts(source, survey, kinds, reached))
            _refuse_none(survey, list_queries, missing)
            journal.add(missing)
            journal.leave_out(reach.infos(clusters))
            journal.seal(sizes=plan.waves.sizes if plan.waves else (), seed=info.plan_digest)
            check_coverage(journal, settings.warn)
            elapsed = settings.clock.monotonic() - started
            journal.count_planning(usage_of(clusters, elapsed), warnings_of(clusters))
        with journal:
            return log_expansion(journal, clusters, settings)


def _new_path(settings: Settings, run: str) -> Path:
    """Return the path of a new run file in the state folder."""
    catalog.prepare(settings.runs.parent, shared=settings.shared)
    return catalog.run_path(settings.runs, run)


def _info(source: PlanFile, settings: Settings, *, dry_run: bool) -> RunInfo:
    """Return the RunInfo without clusters, which are not open yet."""
    plan = source.plan
    return new_run(
        source.campaign or plan.name,
        settings,
        plan_name=plan.name,
        plan_digest=digest(plan),
        plan=canonical(plan),
        clusters=(),
        description=plan.metadata.description,
        annotations=plan.metadata.annotations,
        plan_folder=source.folder,
        dry_run=dry_run,
    )


async def _queries(
    source: PlanFile,
    clusters: Sequence[ReadCluster],
    kinds: Mapping[str, Mapping[str, Resource]],
    reach: Reach,
) -> tuple[Sequence[ListQuery], Sequence[Dependents], RunMerging]:
    """Return what to list, and how the clusters merge if the plan's patch depends on it."""
    plan = source.plan
    list_queries: list[ListQuery] = []
    dependents: list[Dependents] = []
    servers: dict[str, ServerMerging] = {}
    for cluster in clusters:
        with reach.of(cluster):
            found = await list_queries_of(plan, cluster, kinds[cluster.name], source.objects)
            owned = await dependents_of(source, cluster, kinds[cluster.name])
            if depends_on_version(plan.change()):
                merged = dict.fromkeys(kinds[cluster.name].values())
                schema_matters = merges_by_schema(plan.change())
                servers[cluster.name] = await cluster.merging(
                    tuple(merged) if schema_matters else ()
                )
            list_queries += found
            dependents += [owned] if owned else []
    reach.reached(clusters)
    return list_queries, dependents, RunMerging.of(servers)


async def _fill(
    journal: RunFile,
    source: PlanFile,
    list_queries: Sequence[ListQuery],
    dependents: Sequence[Dependents],
    settings: Settings,
    reach: Reach,
    expressions: Expressions | None,
    merging: RunMerging,
) -> Survey:
    """List the objects and add their drafts. Raises Refused if a guard refuses the plan."""
    plan = source.plan
    writer, blocks = JournalWriter(journal), blocks_with_dependents(plan)
    survey = Survey(
        plan.change(),
        writer,
        settings.progress,
        max_targets=plan.guards.max_targets,
        merging=merging,
        on_unreachable=reach.lose,
        expressions=expressions,
        owners=KeptOwners(journal.owned(), blocks) if blocks else None,
    )
    await survey.run(list_queries)
    if blocks:
        await DependentSurvey(survey, writer, journal.owned(), settings.warn).run(dependents)
    _check_identities(journal)
    # After the survey, so that the message has the number of all clashes.
    if plan.guards.on_clash == "refuse":
        refuse_clashes(survey.clashes, survey.first_clash)
    if plan.guards.on_error == "refuse":
        refuse_errors(survey.errors)
    tables.note_missing_keys(journal, survey.errors.keys())
    for name in survey.inconsistent:
        journal.mark_inconsistent(name)
    return survey


def _check_identities(journal: RunFile) -> None:
    """Raise ClusterError for one uid with two names, Refused for one in two clusters."""
    if renamed := journal.renamed():
        first, last = (clean(name) for name in renamed.names)
        raise ClusterError(
            f"cluster {renamed.cluster}: the {renamed.resource.name} {first} and {last} have the"
            f" same uid ({clean(renamed.uid)}); check the proxies and gateways on the way to the"
            " server"
        )
    if shared := journal.shared():
        place = namespaced_name(shared.namespace, shared.name)
        refuse_shared(shared.clusters, f"{shared.resource.name} {place} (uid {shared.uid})")


def _refuse_none(
    survey: Survey, list_queries: Sequence[ListQuery], missing: Sequence[Draft]
) -> None:
    # Once each: there is a query for each name of an object.
    looked_at = list(dict.fromkeys(map(str, list_queries)))
    refuse_none(survey.found, looked_at, [one.detail for one in missing])
