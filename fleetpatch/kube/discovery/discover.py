"""Requests the discovery documents of a server: the fewest that show the groups in question.

A server with aggregated discovery needs one request for its groups, and one for the core group. Any
other server answers the same first request with the list of its groups, and each group version is
requested.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, NamedTuple, TypeAlias

import anyio

from fleetpatch.errors import ClusterError, SurroundingsError
from fleetpatch.kube.discovery import aggregated, documents
from fleetpatch.kube.discovery.aggregated import Served
from fleetpatch.kube.discovery.documents import CORE, GroupVersion
from fleetpatch.kube.http.requests import GET_DISCOVERY, GET_DOCUMENT, RequestTemplate
from fleetpatch.model.resource import Resource

_CONCURRENCY: Final = 8
"""Requests at a time; a server has about 30 group versions, and a run discovers them once."""

_STALE: Final = "the server could not read it again: the API server behind it does not answer"

ReadDocument: TypeAlias = Callable[[RequestTemplate, str], Awaitable[bytes]]
"""Requests a path. Raises ClusterError, and CredentialsError where the server refuses them."""


class Discovered(NamedTuple):
    """The resources of each group version in order, and the reason for each one without."""

    by_version: dict[GroupVersion, list[Resource]]
    unavailable: dict[str, str]

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What can be listed and patched, with the preferred version of a group first."""
        return tuple(resource for found in self.by_version.values() for resource in found)


async def discover(read: ReadDocument, groups: Collection[str] | None, where: str) -> Discovered:
    """Discover all groups, or only `groups`; `where` names the server in errors.

    Raises ClusterError or CredentialsError where the server fails as a whole.
    """
    body = await read(GET_DISCOVERY, "/apis")
    found = Discovered({}, {})
    # Neither form of `/apis` has the core group.
    has_core = groups is None or CORE.group in groups
    if (served := aggregated.served(body)) is not None:
        if has_core:
            await _add_core(found, read)
        _add_served(found, served, groups)
        return found
    versions = documents.group_versions(body)
    if versions is None:
        raise ClusterError(f"{where}: /apis is not a Kubernetes API; check the address")
    wanted = [version for version in versions if groups is None or version.group in groups]
    await _add_each(found, read, [CORE, *wanted] if has_core else wanted)
    return found


async def _add_core(found: Discovered, read: ReadDocument) -> None:
    """Add the core group of a server whose other groups are aggregated."""
    try:
        served = aggregated.served(await read(GET_DISCOVERY, "/api"))
    except SurroundingsError as error:
        found.unavailable[str(CORE)] = str(error)
        return
    if served is not None:
        _add_served(found, served)
    else:
        # A gateway may answer one path itself.
        await _add_each(found, read, [CORE])


def _add_served(found: Discovered, served: Served, groups: Collection[str] | None = None) -> None:
    for version, resources in served.resources.items():
        if groups is None or version.group in groups:
            found.by_version[version] = resources
    for version in served.stale:
        if groups is None or version.group in groups:
            found.unavailable[str(version)] = _STALE


async def _add_each(
    found: Discovered, read: ReadDocument, versions: Collection[GroupVersion]
) -> None:
    """Request the document of each group version; one that fails does not affect the others."""
    limiter = anyio.CapacityLimiter(_CONCURRENCY)
    answers: dict[GroupVersion, list[Resource]] = {}

    async def add(version: GroupVersion) -> None:
        async with limiter:
            try:
                body = await read(GET_DOCUMENT, version.path)
            except SurroundingsError as error:
                found.unavailable[str(version)] = str(error)
                return
        resources = documents.resources(body, version)
        if resources is None:
            found.unavailable[str(version)] = "the answer is not a list of resources"
        else:
            answers[version] = resources

    async with anyio.create_task_group() as tasks:
        for version in versions:
            tasks.start_soon(add, version)
    # Answers arrive in any order, but plans must be deterministic.
    found.by_version.update((each, answers[each]) for each in versions if each in answers)
