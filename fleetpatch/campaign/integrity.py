"""Checks a run file against what was planned, before it is used.

The digest is computed from the text of the plan in the file, whenever that text is used. Before a
run is applied or resumed, its seal is checked, too: facts, servers, targets and their values.
"""

from fleetpatch.errors import RunFileError
from fleetpatch.journal import queries
from fleetpatch.journal.errors import run_file_error
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.plan.digest import digest_of, restore, undo_digest
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunInfo

_REMEDY = "nothing was sent; restore it from a copy, or plan again"


def require_digest(journal: RunFile) -> None:
    """Raise RunFileError if the digest is not that of the plan in the run file."""
    info = journal.info
    # The digest of an undo has two valid forms, since version 0.1.0 did not include the seal.
    known = _digests(info, journal.sealed)
    if info.plan_digest not in known:
        raise run_file_error(
            journal.path,
            f"its plan was changed: the digest of what it holds is {known[0]}, the recorded one "
            f"is {info.plan_digest}; {_REMEDY}",
        )


def plan_of(journal: RunFile) -> Plan:
    """Read the plan that a run carries out. Raises RunFileError as `require_digest`."""
    require_digest(journal)
    try:
        return restore(journal.info.plan)
    except (ValueError, RecursionError):
        raise run_file_error(journal.path, f"holds no plan that can be read; {_REMEDY}") from None


def require_as_planned(journal: RunFile) -> None:
    """Raise RunFileError if something that planning fixed was changed since."""
    plan = plan_of(journal)
    if not journal.is_as_sealed():
        raise run_file_error(journal.path, f"its targets or facts were changed; {_REMEDY}")
    if journal.info.plan_name != plan.name:
        raise _changed(
            journal, f"the name of its plan is {plan.name}, not {journal.info.plan_name}"
        )
    # The values of a metadata change follow from the plan; stored ones would override it.
    change = plan.change()
    is_literal = isinstance(change, MetadataChange) and not change.expressions
    follows = is_literal and not journal.info.undo_of
    if follows and queries.has_wanted_values(journal):
        raise _changed(journal, "its targets hold values that do not follow from its plan")


def _changed(journal: RunFile, what: str) -> RunFileError:
    return run_file_error(journal.path, f"{what}; {_REMEDY}")


def _digests(info: RunInfo, sealed: str) -> tuple[str, ...]:
    """Return the valid digests of a run file's contents; version 0.1.0 left out the seal."""
    plan = digest_of(info.plan)
    if not info.undo_of:
        return (plan,)
    without_seal = digest_of(f"undo of {info.undo_of}, {plan}")
    return undo_digest(info.undo_of, info.plan, sealed), without_seal
