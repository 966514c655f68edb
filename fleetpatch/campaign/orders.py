"""What a plan says, as the engine takes its orders."""

from math import inf

from fleetpatch.campaign.changes import change_of
from fleetpatch.engine.orders import Orders
from fleetpatch.model.change import FIELD_MANAGER
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.run import RunInfo
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.backoff import Backoff
from fleetpatch.rules.settling import OnDrift


def orders_of(
    info: RunInfo, plan: Plan, cluster: str, *, release: str = "", read_only: bool = False
) -> Orders:
    """How each target that a run has in `cluster`, a server of `release`, is to be treated."""
    selectors = [block.selector for block in plan.targets]

    def matches(target: Target, seen: Seen) -> bool:
        # An undo goes to whatever was changed, selected or not.
        return bool(info.undo_of) or any(
            selectors[block].matches(seen.labels) for block in target.blocks
        )

    return Orders(
        change=change_of(info, plan),
        matches=matches,
        on_drift=OnDrift(plan.guards.on_drift),
        guarded=bool(info.undo_of) or plan.guards.conflicts == "version",
        attempts=plan.retry.attempts,
        deadline=plan.retry.deadline or inf,
        backoff=Backoff(cap=plan.retry.max_delay),
        retried=plan.retried(cluster),
        dry_run=info.dry_run,
        read_only=read_only,
        options=plan.patch.options(),
        release=release,
        managers=_managers(plan, cluster),
    )


def _managers(plan: Plan, cluster: str) -> frozenset[str]:
    """The field managers that a server may note for our writes.

    Kinds of CCI take no `fieldManager`: the server notes the client's name instead.
    """
    named = plan.patch.field_manager
    is_cci = any(
        ref.name == cluster and ProviderName(ref.provider) is ProviderName.CCI for ref in plan.fleet
    )
    return frozenset({named, FIELD_MANAGER} if is_cci else {named})
