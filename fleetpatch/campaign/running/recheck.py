"""The rechecks of a run: `where` is asked again after a conflict, by the tables of the run file."""

from contextlib import AsyncExitStack
from typing import Self

from fleetpatch.campaign.expressions import (
    NamespaceObjects,
    new_evaluator,
    require_runtime,
)
from fleetpatch.campaign.tables import decoded
from fleetpatch.engine.policy import Recheck
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Evaluated, Expressions
from fleetpatch.model.run import RunInfo
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.planning.computed import subject_of


class Rechecks:
    """Makes the rechecks of a run, and ends their processes after the block.

    `tables` are those that `where` reads, as the run file keeps them. Raises UsageError if the plan
    has a `where`, and what evaluates it is not installed.
    """

    def __init__(self, info: RunInfo, plan: Plan, tables: bytes, *, read_only: bool) -> None:
        self._info, self._plan, self._tables = info, plan, tables
        # An undo restores what was changed, whatever the object has become.
        self._is_needed = needs_recheck(info, plan) and not read_only
        self._stack = AsyncExitStack()
        if self._is_needed:
            require_runtime(plan)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def of(self, cluster: ApiServer) -> Recheck | None:
        """Return the recheck for the targets in a cluster; None if the run needs none."""
        if not self._is_needed:
            return None
        evaluator: Expressions | None = None

        async def recheck(target: Target, seen: Seen) -> Evaluated:
            nonlocal evaluator
            if evaluator is None:
                # Most runs have no conflict.
                made = new_evaluator(
                    self._plan,
                    decoded(self._tables),
                    self._info.created_at,
                    NamespaceObjects([cluster]),
                    where_alone=True,
                )
                evaluator = await self._stack.enter_async_context(made)
            return await self._evaluated(evaluator, cluster.name, target, seen)

        return recheck

    async def _evaluated(
        self, evaluator: Expressions, cluster: str, target: Target, seen: Seen
    ) -> Evaluated:
        """Evaluate `where` of the blocks that selected the target; one that is true is enough."""
        # A dependent has no blocks: it was not selected itself.
        if not target.blocks:
            return Evaluated()
        error = ""
        for position in sorted(target.blocks):
            block = self._plan.targets[position]
            if not block.selector.matches(seen.labels):
                continue
            if not block.where:
                return Evaluated()
            subject = subject_of(target.resource, seen)
            result = await evaluator.matches(cluster, position, subject)
            if result.matches and not result.error:
                return result
            error = error or result.error
        return Evaluated(matches=False, error=error)


def needs_recheck(info: RunInfo, plan: Plan) -> bool:
    """Report whether a run asks `where` again."""
    return not info.undo_of and any(block.where for block in plan.targets)
