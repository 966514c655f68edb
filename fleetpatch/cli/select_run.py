"""Selects the run that `apply PLAN` carries out: an unfinished run of the plan, or a new one."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fleetpatch.campaign.running.log import refusals_logged
from fleetpatch.campaign.running.open_run import plan_lock
from fleetpatch.campaign.running.other_undos import require_current
from fleetpatch.campaign.running.window import require_open_window
from fleetpatch.campaign.servers import ServerComparison
from fleetpatch.campaign.settings import ApplyOptions, Settings
from fleetpatch.campaign.view import digest_of_run, find_run, is_plan_file, summarize
from fleetpatch.cli.choose_run import to_apply
from fleetpatch.cli.event_loop import interruptible, run
from fleetpatch.cli.execute import carry_out, expand_with_progress
from fleetpatch.cli.options import Output
from fleetpatch.cli.output import print_rehearsal, print_warnings
from fleetpatch.errors import NothingMatched, UsageError
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns
from fleetpatch.journal.runs.campaigns import require_readable
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.model.plan.load import PlanFile, load_plan
from fleetpatch.model.run import Summary
from fleetpatch.report.summary import not_continued
from fleetpatch.report.wording import command


class Choice(msgspec.Struct, frozen=True):
    """The options of `apply` that choose the run: the values of its command line."""

    digest: str | None
    dry_run: bool
    new: bool
    run_file: Path | None
    everything: bool


def require_digest(found: str, wanted: str | None, what: str) -> None:
    """Raise UsageError if `--digest` was given and is not `found`, that of `what`."""
    if wanted is not None and wanted.removeprefix("sha256:") != found.removeprefix("sha256:"):
        raise UsageError(
            f"{what}: its digest is {found}, not {wanted}: it is not the one that was reviewed; "
            "read it again and give its new digest"
        )


def require_run_digest(planned: Summary, wanted: str | None, what: str) -> None:
    """Raise UsageError if `--digest` was given and is not that of the run, as its file holds it."""
    if wanted is None:
        return
    if wanted.removeprefix("sha256:") == planned.info.plan_digest.removeprefix("sha256:"):
        raise UsageError(
            f"{what}: this is the digest of its plan, which says nothing about the targets; give "
            "the digest of the run, which `plan` prints below the name of the run"
        )
    require_digest(digest_of_run(Path(planned.run_file)), wanted, what)


def require_run_options(what: str, planned: Summary, choice: Choice) -> None:
    """Raise UsageError for options of `apply` that do not apply to the run `what`."""
    if choice.new or choice.everything or choice.run_file:
        raise UsageError(
            f"{what}: --new, --all and --run-file are for a plan file, and this is a run, "
            "whose targets are fixed; leave them out"
        )
    if choice.dry_run and planned.info.undo_of:
        client = command("apply", *planned.words, "--dry-run=client")
        raise UsageError(
            f"{what}: this run is an undo, which the servers cannot try: that would mark its "
            f"targets as done; see what it puts back with `{client}`"
        )
    if choice.dry_run and not planned.info.dry_run:
        raise UsageError(
            f"{what}: this run was not planned as a dry run, which would mark its targets as done; "
            "dry-run the plan file instead: fleetpatch apply PLAN --dry-run"
        )


def apply_plan(
    path: Path,
    settings: Settings,
    options: ApplyOptions,
    choice: Choice,
    output: Output,
    *,
    yes: bool,
) -> None:
    """Carry out the plan file at `path`, by its unfinished run or a new one; exit with its code."""
    with ExitStack() as stack:
        with refusals_logged(path, settings):
            plan = load_plan(path)
            settings.monitor.planned(plan.plan)
            require_digest(plan.digest, choice.digest, str(path))
            print_warnings(plan)
            servers = ServerComparison(plan.plan)
            # Locked before the run is selected, so that two processes cannot both make a new one.
            lock = stack.enter_context(plan_lock(plan.plan.name, settings))
            planned = None
            # `--run-file` names the file of a new run.
            if not (choice.new or choice.run_file):
                planned = unfinished_run(plan, settings, servers, dry_run=choice.dry_run)
            if planned is None:
                planned = new_run(
                    plan,
                    settings,
                    options,
                    servers,
                    run_file=choice.run_file,
                    everything=choice.everything,
                    dry_run=choice.dry_run,
                )
        carry_out(planned, settings, output, yes=yes, lock=lock, options=options)


def rehearse(what: str, settings: Settings, choice: Choice, output: Output) -> None:
    """Show what a plan file or a run would change, and send no patch (`--dry-run=client`)."""
    if is_plan_file(Path(what)):
        plan = load_plan(Path(what))
        require_digest(plan.digest, choice.digest, what)
        print_warnings(plan)
        planned = expand_with_progress(
            plan, settings, run_file=choice.run_file, everything=choice.everything
        )
    else:
        planned = summarize(to_apply(find_run(settings.runs, what)))
        require_run_digest(planned, choice.digest, what)
        require_run_options(what, planned, choice)
        require_current_run(planned, settings)
    print_rehearsal(planned, output)


def unfinished_run(
    plan: PlanFile, settings: Settings, servers: ServerComparison, *, dry_run: bool
) -> Summary | None:
    """Return the started, unfinished run of the plan on the servers that it leads to now, or None.

    Raises UsageError if the plan was changed while a run of its former text is unfinished, and
    RunFileError if a run file of the plan cannot be read.
    """
    campaign, here = campaigns.read(settings.runs, plan.plan.name), servers.matches
    # The undos need not be readable: a run names the one that has undone it.
    require_readable(
        campaign.runs, "it may be an unfinished run of the plan: restore the file, or use --new"
    )
    entries = [*campaign.runs, *campaign.undos]
    unfinished = campaigns.unfinished(entries, plan.digest, dry_run=dry_run)
    undone = campaigns.begun_undo_by_run(entries)
    if unfinished and (undo := undone.get(unfinished[0].run)):
        sys.stderr.write(
            f"Not resuming the unfinished run {unfinished[0].run}: it was undone by {undo};"
            " planning again.\n"
        )
    unfinished = [entry for entry in unfinished if entry.run not in undone]
    found = [entry for entry in unfinished if entry.info and here(entry.info)]
    # A newer run that is finished has included the targets that an older one left open.
    if not found or campaigns.finished(entries, plan.digest, dry_run=dry_run, here=here):
        _refuse_changed(plan, entries, servers)
        if not found and unfinished:
            _explain_difference(unfinished[0], servers)
        return None
    planned = summarize(found[0].path)
    # `apply` does not continue a halted run, nor a run that waits to be promoted.
    verb = "Found" if not_continued(planned, resume_halted=False, promote=False) else "Resuming"
    sys.stderr.write(
        f"{verb} the unfinished run {found[0].run} (use --new to plan again instead).\n"
    )
    return planned


def new_run(
    plan: PlanFile,
    settings: Settings,
    options: ApplyOptions,
    servers: ServerComparison,
    *,
    run_file: Path | None,
    everything: bool,
    dry_run: bool,
) -> Summary:
    """Expand the plan into a new run.

    If nothing matches because a finished run has changed all of it, return that run's summary.
    """
    # A dry run changes nothing, so it may be made at any time.
    if plan.plan.window and not dry_run:
        # Before the survey: targets that were listed outside of the window would be outdated when
        # it opens.
        run(
            lambda: interruptible(
                lambda stop: require_open_window(plan.plan, settings, options, stop)
            )
        )
    try:
        return expand_with_progress(
            plan, settings, run_file=run_file, everything=everything, dry_run=dry_run
        )
    except NothingMatched:
        # A plan that changes a label of its own selector matches nothing after it was carried out.
        runs, here = campaigns.read(settings.runs, plan.plan.name).runs, servers.matches
        done = campaigns.finished(runs, plan.digest, dry_run=dry_run, here=here)
        if done is None:
            raise
    sys.stderr.write(
        f"Nothing matches the plan any more: the run {done.run} has changed all of it.\n"
    )
    return summarize(done.path)


def require_current_run(planned: Summary, settings: Settings, *, reopened: bool = False) -> None:
    """Raise UsageError and RunFileError as `require_current`, before a question is asked.

    `apply` checks it again, under the lock of the run.
    """
    with RunFile.open(Path(planned.run_file), check=False) as run:
        require_current(run, settings, reopened=reopened)


def _explain_difference(elsewhere: RunEntry, servers: ServerComparison) -> None:
    """Print why an unfinished run is not resumed: it was planned on other servers."""
    if elsewhere.info is not None:
        difference = servers.difference(elsewhere.info)
        sys.stderr.write(
            f"Not resuming the unfinished run {elsewhere.run}: {difference}; planning again.\n"
        )


def _refuse_changed(plan: PlanFile, entries: Sequence[RunEntry], servers: ServerComparison) -> None:
    """Raise UsageError if a run of an earlier text of the plan is unfinished.

    Two runs of one plan would then change the same objects in different ways.
    """
    started = campaigns.under_way(entries, plan.plan.name, here=servers.overlaps)
    if started is None or started.info is None or started.info.plan_digest == plan.digest:
        return
    resume, cancel = (command(verb, *started.words) for verb in ("resume", "cancel"))
    raise UsageError(
        f"{plan.file}: the plan was changed while its run {started.run} is unfinished: its digest "
        f"is {plan.digest}, the run's is {started.info.plan_digest}; continue that run "
        f"(`{resume}`), end it (`{cancel}`), or "
        "use --new to start another run beside it"
    )
