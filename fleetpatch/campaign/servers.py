"""Compares the servers that a run was planned on with those that its plan resolves to now.

A run may only be continued on the servers that it was planned on. The name of a context does not
identify a server: it may be renamed, or lead to another server. So servers are compared by their
URLs and by the rest of the route (`proxy-url`, `tls-server-name`), and for CCI by the project,
since one URL serves many. Nothing is sent, and no credentials are needed.
"""

from functools import cached_property
from pathlib import Path

import msgspec

from fleetpatch.campaign.integrity import plan_of
from fleetpatch.errors import UsageError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.kube.kubeconfig.connect import server_of_context
from fleetpatch.model.addresses import normalized
from fleetpatch.model.plan.auth import AkSkAuth, Auth, IamAuth
from fleetpatch.model.plan.digest import restore
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.targets import ClusterRef
from fleetpatch.model.providers.tables import PROVIDERS
from fleetpatch.model.run import RunInfo, Summary


class Server(msgspec.Struct, frozen=True):
    """One API server: its normalized URL, its project if the provider has projects, its route.

    The route is `Connection.route`: one URL leads to different servers through different proxies.
    """

    url: str
    project: str = ""
    route: str = ""

    def __str__(self) -> str:
        more = ", ".join(filter(None, (self.project and f"project {self.project}", self.route)))
        return f"{self.url} ({more})" if more else self.url


def servers_of(plan: Plan) -> tuple[Server, ...]:
    """Return the servers that a plan leads to now, in the fleet's order.

    Without a fleet that is the server of the current context. Raises KubeconfigError.
    """
    return tuple(_server_of(ref) for ref in plan.fleet) or (_server_of(None),)


def planned_servers(info: RunInfo, plan: Plan) -> tuple[Server, ...]:
    """Return the servers that a run of `plan` was planned on, in the fleet's order."""
    projects = {ref.name: _project_of(ref) for ref in plan.fleet}
    return tuple(
        Server(normalized(cluster.server), projects.get(cluster.name, ""), cluster.route)
        for cluster in info.clusters
    )


def require_same_servers(info: RunInfo, plan: Plan) -> None:
    """Raise UsageError, with both servers, if the plan leads to others than when it was planned."""
    now = servers_of(plan)
    planned = planned_servers(info, plan)
    # In the same order: both follow the fleet of one plan.
    for cluster, before, after in zip(info.clusters, planned, now, strict=False):
        if before != after:
            raise wrong_server_error(info.run, cluster.name, cluster.context, before, after)


def wrong_server_error(
    run: str, cluster: str, context: str, planned: Server, found: Server
) -> UsageError:
    """Create the error for a run that would continue on another server."""
    hint = f" (context {context!r})" if context else ""
    return UsageError(
        f"cluster {cluster}: run {run} was planned on {planned}{hint}, but the kubeconfig leads to "
        f"{found} now; nothing was sent; switch back to the server that it was planned on, or "
        "apply the plan file again for the other one"
    )


def summarize_to_resume(run_file: Path) -> Summary:
    """Summarize a run file that is to be resumed.

    Raises RunFileError, KubeconfigError, and UsageError as `require_same_servers`.
    """
    with RunFile.open(run_file) as journal:
        require_same_servers(journal.info, plan_of(journal))
        return queries.summary(journal)


class ServerComparison:
    """Compares runs with the servers that a plan leads to now; those are looked up at most once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @cached_property
    def now(self) -> tuple[Server, ...]:
        """The servers that the plan leads to. Raises KubeconfigError."""
        return servers_of(self._plan)

    def matches(self, info: RunInfo) -> bool:
        """Return whether a run of the same plan was planned on exactly these servers."""
        return planned_servers(info, self._plan) == self.now

    def overlaps(self, info: RunInfo) -> bool:
        """Return whether a run, of this or another plan, was planned on one of these servers."""
        try:
            plan = restore(info.plan)
        # A plan that cannot be read may be for these servers: assume the conflict.
        except (ValueError, RecursionError):
            return True
        return not set(self.now).isdisjoint(planned_servers(info, plan))

    def difference(self, info: RunInfo) -> str:
        """Describe the servers of a run of the same plan, and those that the plan has now."""
        before = planned_servers(info, self._plan)
        pairs = zip(before, self.now, strict=False)
        moved = [f"{one} and the plan leads to {other} now" for one, other in pairs if one != other]
        return f"it was planned on {'; on '.join(moved)}"


def _server_of(ref: ClusterRef | None) -> Server:
    if ref is not None and not PROVIDERS[ref.provider].has_kubeconfig:
        return Server(normalized(ref.server or ""), _project_of(ref))
    url, route = server_of_context(ref.context if ref else None)
    return Server(normalized(url), route=route)


def _project_of(ref: ClusterRef) -> str:
    """Return the project that a log-in is for; a token does not name its project."""
    match ref.auth:
        case Auth(iam=IamAuth(domain=domain, project=project)):
            return f"{domain}/{project}"
        case Auth(aksk=AkSkAuth(project=project)):
            return project
        case _:
            return ""
