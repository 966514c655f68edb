"""Joins the expressions of a plan with its tables, its clusters and the process that evaluates."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import anyio

from fleetpatch.errors import UsageError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.tables.table import Table
from fleetpatch.model.ports import Expressions


class NamespaceObjects:
    """Implements the port `Namespaces`: a cluster is listed when one of its objects needs it."""

    def __init__(self, clusters: Sequence[ApiServer]) -> None:
        self._clusters = {cluster.name: cluster for cluster in clusters}
        self._known: dict[str, Mapping[str, Json]] = {}
        self._lock = anyio.Lock()

    async def namespace_object(self, cluster: str, namespace: str) -> Json:
        """Return the namespace, or None for an object without one. Raises ClusterError."""
        if cluster not in self._known:
            # The objects of several lists ask at once.
            async with self._lock:
                if cluster not in self._known:
                    found = await self._clusters[cluster].namespace_objects()
                    self._known[cluster] = found
        return self._known[cluster].get(namespace)


@asynccontextmanager
async def evaluating(
    plan: Plan, tables: Mapping[str, Table], created_at: str, clusters: Sequence[ApiServer]
) -> AsyncIterator[Expressions | None]:
    """Evaluate the plan's expressions in the block; None if it has none. Raises UsageError.

    `created_at` is when the run was planned, which is the time `now` of all its expressions.
    """
    if not plan.has_expressions:
        yield None
        return
    # Here and not at the top: plans without expressions do not load what evaluates them.
    from fleetpatch.cel import runtime  # noqa: PLC0415
    from fleetpatch.cel.program import Rows  # noqa: PLC0415
    from fleetpatch.evaluation.evaluator import Evaluator  # noqa: PLC0415
    from fleetpatch.model.plan.expressions import texts_of, value_paths  # noqa: PLC0415

    if not runtime.is_installed():
        raise UsageError(
            f"plan {plan.name} has expressions, and what evaluates them is not installed; install"
            f" it: {runtime.EXTRA}"
        )
    rows = {name: Rows(table.columns, table.rows) for name, table in tables.items()}
    now = datetime.fromisoformat(created_at).timestamp()
    try:
        evaluator = Evaluator(
            texts_of(plan), value_paths(plan), rows, now, NamespaceObjects(clusters)
        )
    except runtime.CompileError as error:
        raise UsageError(f"plan {plan.name}: an expression is not valid: {error}") from None
    async with evaluator:
        yield evaluator
