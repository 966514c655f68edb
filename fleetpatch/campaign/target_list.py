"""Lists the targets of runs: those of one run, or of a campaign with the latest outcome of each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleetpatch.campaign.change import change_of
from fleetpatch.campaign.integrity import plan_of
from fleetpatch.errors import UsageError
from fleetpatch.journal import queries
from fleetpatch.journal.queries import Places
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import Reason
from fleetpatch.model.resource import resources_named
from fleetpatch.model.run import ListedTarget, Standing
from fleetpatch.model.target import Target
from fleetpatch.model.verification import VerifyResult
from fleetpatch.rules.planning.namespaces import select
from fleetpatch.rules.planning.result import values_after


class TargetFilter(msgspec.Struct, frozen=True):
    """Which targets are listed; an empty entry allows all.

    `kinds` are names of any form, `namespaces` names and globs, as in a plan. `verified` are
    results of the latest verification of each run.
    """

    clusters: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    namespaces: tuple[str, ...] = ()
    standings: frozenset[Standing] = frozenset()
    reasons: frozenset[Reason] = frozenset()
    verified: frozenset[VerifyResult] = frozenset()

    def allows(self, listed: ListedTarget) -> bool:
        """Report whether the target has one of the outcomes and one of the reasons."""
        reason = listed.settlement.reason if listed.settlement else None
        return (not self.standings or listed.standing in self.standings) and (
            not self.reasons or reason in self.reasons
        )


def list_targets(runs: Sequence[Path], chosen: TargetFilter) -> Iterator[ListedTarget]:
    """Stream the targets of run files, those of the run with the latest outcomes first.

    An object of several runs is listed once: with its latest outcome, or as pending if no run has
    one. Raises RunFileError, and UsageError for a cluster or kind that no run has.
    """
    _check_names(runs, chosen)
    if len(runs) == 1:
        yield from _of_run(runs[0], chosen, chosen.standings or None, *chosen.reasons)
        return
    latest = sorted(runs, key=_recorded_at, reverse=True)
    seen: set[object] = set()
    for has_outcome in (True, False):
        for run in latest:
            standings = _ENDED if has_outcome else _OPEN
            for listed in _of_run(run, chosen, standings):
                if (identity := _identity(listed.target)) not in seen:
                    seen.add(identity)
                    if chosen.allows(listed):
                        yield listed


def _identity(target: Target) -> object:
    """Return what tells objects apart: the uid, or the name of an object that was not found."""
    return target.uid or (target.cluster, target.kind, target.namespace, target.name)


_OPEN = frozenset({Standing.PENDING, Standing.IN_DOUBT})
_ENDED = frozenset(Standing) - _OPEN


def _recorded_at(run: Path) -> float:
    # A run that was planned earlier may have been carried out, or continued, later.
    with RunFile.open(run) as journal:
        return queries.recorded_at(journal) or 0.0


def _of_run(
    run: Path, chosen: TargetFilter, standings: frozenset[Standing] | None, *reasons: Reason
) -> Iterator[ListedTarget]:
    with RunFile.open(run) as journal:
        change = change_of(journal.info, plan_of(journal))
        places = _places(journal, chosen)
        listed = queries.targets(
            journal, standings, *reasons, places=places, verified=chosen.verified
        )
        for one in listed:
            after = values_after(change, one.target, one.settlement)
            yield replace(one, run=journal.info.run, after=after)


def _places(journal: RunFile, chosen: TargetFilter) -> Places:
    return Places(
        clusters=chosen.clusters or None,
        kinds=_kinds(journal, chosen.kinds) if chosen.kinds else None,
        namespaces=select(chosen.namespaces, queries.namespaces(journal))
        if chosen.namespaces
        else None,
    )


def _kinds(journal: RunFile, names: frozenset[str]) -> set[str]:
    resources = list(journal.resources.values())
    return {one.name for name in names for one in resources_named(name, resources)}


def _check_names(runs: Sequence[Path], chosen: TargetFilter) -> None:
    """Raise UsageError for the first name of a cluster or a kind that no run has."""
    if not (chosen.clusters or chosen.kinds):
        return
    clusters: set[str] = set()
    kinds: set[str] = set()
    unknown = set(chosen.kinds)
    for run in runs:
        with RunFile.open(run) as journal:
            clusters.update(journal.clusters.values())
            kinds.update(one.name for one in journal.resources.values())
            unknown -= {name for name in unknown if _kinds(journal, frozenset({name}))}
    for name in sorted(chosen.clusters - clusters):
        raise UsageError(f"--cluster {name}: there are targets of {', '.join(sorted(clusters))}")
    for name in sorted(unknown):
        raise UsageError(f"--kind {name}: there are targets of {', '.join(sorted(kinds))}")
