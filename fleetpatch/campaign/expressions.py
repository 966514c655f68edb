"""Joins the expressions of a plan with its tables, its clusters and the process that evaluates."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import anyio

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.remote_evaluator import EvaluatingCluster, RemoteEvaluator
from fleetpatch.errors import UsageError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.tables.table import Table
from fleetpatch.model.ports import Namespaces

if TYPE_CHECKING:
    from fleetpatch.cel.program import Rows
    from fleetpatch.evaluation.evaluator import Evaluator


class NamespaceObjects:
    """Implements the port `Namespaces`: a cluster is listed when one of its objects needs it."""

    def __init__(self, clusters: Sequence[ReadCluster]) -> None:
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
    plan: Plan, tables: Mapping[str, Table], created_at: str, clusters: Sequence[ReadCluster]
) -> "AsyncIterator[Evaluator | RemoteEvaluator | None]":
    """Evaluate the plan's expressions in the block; None if it has none. Raises UsageError.

    Where workers read the clusters, they evaluate, too. `created_at` is when the run was planned,
    which is the time `now` of all its expressions.
    """
    if not plan.has_expressions:
        yield None
        return
    require_runtime(plan)
    # Here and not at the top: plans without expressions do not load what evaluates them.
    from fleetpatch.cel.program import Rows  # noqa: PLC0415

    rows = {name: Rows(table.columns, table.rows) for name, table in tables.items()}
    async with new_evaluator(plan, rows, created_at, NamespaceObjects(clusters)) as evaluator:
        remote = {one.name: one for one in clusters if isinstance(one, EvaluatingCluster)}
        yield RemoteEvaluator(evaluator, remote) if remote else evaluator


def require_runtime(plan: Plan) -> None:
    """Raise UsageError if what evaluates expressions is not installed."""
    if problem := problem_of_runtime():
        raise UsageError(f"plan {plan.name} has expressions; {problem}")


def problem_of_runtime() -> str:
    """Return why expressions cannot be evaluated here, or ''."""
    from fleetpatch.cel import runtime  # noqa: PLC0415 - as in `evaluating`

    if runtime.is_installed():
        return ""
    return f"what evaluates them is not installed; install it: {runtime.EXTRA}"


def new_evaluator(
    plan: Plan,
    tables: "Mapping[str, Rows]",
    created_at: str,
    namespaces: Namespaces,
    *,
    where_alone: bool = False,
) -> "Evaluator":
    """Return the evaluator of the plan's expressions, or of `where` alone.

    Raises UsageError for an expression with a mistake.
    """
    from fleetpatch.cel.runtime import CompileError  # noqa: PLC0415 - as in `evaluating`
    from fleetpatch.evaluation.evaluator import Evaluator  # noqa: PLC0415
    from fleetpatch.model.plan.expressions import texts_of, value_paths, where_of  # noqa: PLC0415

    now = datetime.fromisoformat(created_at).timestamp()
    texts, paths = (where_of(plan), []) if where_alone else (texts_of(plan), value_paths(plan))
    try:
        return Evaluator(texts, paths, tables, now, namespaces)
    except CompileError as error:
        raise UsageError(f"plan {plan.name}: an expression is not valid: {error}") from None


def reads_namespaces(plan: Plan, tables: Mapping[str, Table]) -> bool:
    """Report whether an expression of the plan reads `namespaceObject`. Raises UsageError."""
    if not plan.has_expressions:
        return False
    require_runtime(plan)
    from fleetpatch.cel.program import Compilation  # noqa: PLC0415 - as in `evaluating`
    from fleetpatch.model.plan.expressions import texts_of  # noqa: PLC0415

    columns = {name: table.columns for name, table in tables.items()}
    compilation = Compilation(texts_of(plan), columns)
    return any("namespaceObject" in compilation.reads(at) for at in range(len(plan.targets)))
