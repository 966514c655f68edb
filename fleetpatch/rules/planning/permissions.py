"""The least permissions that a plan needs on one API server, and what each is for.

They are those of Kubernetes' RBAC. Discovery and `/version` need none: every account has them, by
the cluster roles system:discovery and system:public-info-viewer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from fleetpatch.model.plan.lease import LockSection
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.model.plan.waves import CheckSection
from fleetpatch.model.resource import Resource
from fleetpatch.rules.planning.namespaces import exact

_NAMESPACES = ("", "namespaces")
_NONE_LISTED: Mapping[int, Sequence[str]] = MappingProxyType({})
_JOBS = ("batch", "jobs")
_CRON_JOBS = ("batch", "cronjobs")
_LEASES = ("coordination.k8s.io", "leases")

_FIND = "list finds and verifies the objects"
_CHANGE = "get reads an object after a conflict or a lost answer; patch changes it"


class Permission(msgspec.Struct, frozen=True):
    """The right to use `verbs` on the resource `plural` of `group`, for these `reasons`.

    `namespace` is empty for all namespaces, and for kinds without. With `names`, the right is for
    the objects of these names only.
    """

    group: str
    plural: str
    verbs: tuple[str, ...]
    reasons: tuple[str, ...]
    namespace: str = ""
    names: tuple[str, ...] = ()


def permissions(
    plan: Plan,
    kinds: Mapping[str, Resource],
    *,
    holds_lease: bool,
    listed: Mapping[int, Sequence[str]] = _NONE_LISTED,
    reads_namespaces: bool = False,
) -> tuple[Permission, ...]:
    """Return what `plan` needs on a cluster that serves `kinds`, by the names in the plan.

    `holds_lease`: it is the cluster that has the Lease of the plan's `lock`. `listed` has the
    namespaces of the lists of objects, by the positions of their blocks. `reads_namespaces`: an
    expression reads `namespaceObject`.
    """
    needed: list[Permission] = []
    for position, block in enumerate(plan.targets):
        patterns = tuple(listed.get(position, block.namespaces))
        if position in listed and not patterns:
            # All objects of its list are in other clusters.
            continue
        needed += _of_block(f"targets[{position}]", block, patterns, kinds)
    if reads_namespaces:
        why = "expressions: list reads the namespaces of the objects (namespaceObject)"
        needed.append(Permission(*_NAMESPACES, ("list",), (why,)))
    if plan.lock is not None and holds_lease:
        needed += _of_lock(plan.lock)
    check = plan.waves.check if plan.waves else None
    if check is not None and check.command is None:
        needed += _of_check(check, plan, kinds)
    return tuple(_merged(needed))


def _of_block(
    where: str, block: TargetBlock, patterns: tuple[str, ...], kinds: Mapping[str, Resource]
) -> Iterator[Permission]:
    for name in block.kinds:
        kind = kinds[name]
        for namespace in _places(kind, patterns):
            why = f"{where}: {_FIND}; {_CHANGE}"
            verbs = ("list", "get", "patch")
            names = tuple(sorted(set(block.names)))
            yield Permission(kind.group, kind.plural, verbs, (why,), namespace, names)
    # What a cluster-scoped object owns may be in any namespace.
    within = patterns if all(kinds[name].namespaced for name in block.kinds) else ()
    for kind in (kinds[name] for name in block.dependents):
        for namespace in _places(kind, within):
            why = f"{where}.dependents: {_FIND}; {_CHANGE}"
            verbs = ("list", "get", "patch")
            yield Permission(kind.group, kind.plural, verbs, (why,), namespace)
    if _owns_through_jobs(block, kinds):
        why = f"{where}.dependents: list finds the jobs between cron jobs and what these jobs own"
        for namespace in exact(within) or ("",):
            yield Permission(*_JOBS, ("list",), (why,), namespace)
    yield from _of_patterns(where, patterns)


def _owns_through_jobs(block: TargetBlock, kinds: Mapping[str, Resource]) -> bool:
    """Report whether Jobs are listed only because cron jobs own them, and they own dependents."""
    selected = {(kinds[name].group, kinds[name].plural) for name in block.kinds}
    owned = {(kinds[name].group, kinds[name].plural) for name in block.dependents}
    return _CRON_JOBS in selected and bool(owned - {_JOBS})


def _of_check(
    check: CheckSection, plan: Plan, kinds: Mapping[str, Resource]
) -> Iterator[Permission]:
    names = check.kinds or dict.fromkeys(name for block in plan.targets for name in block.kinds)
    for kind in (kinds[name] for name in names):
        for namespace in _places(kind, check.namespaces):
            why = "waves.check: list reads the conditions of the objects"
            yield Permission(kind.group, kind.plural, ("list",), (why,), namespace)
    yield from _of_patterns("waves.check", check.namespaces)


def _of_lock(lock: LockSection) -> Iterator[Permission]:
    # A request to create an object is authorized without its name.
    for verbs, names, why in (
        (("create",), (), "create makes the Lease if there is none"),
        (("get", "patch"), (lock.name,), "get and patch hold the Lease"),
    ):
        yield Permission(*_LEASES, verbs, (f"lock: {why}",), lock.namespace, names)


def _of_patterns(where: str, patterns: tuple[str, ...]) -> Iterator[Permission]:
    if patterns and exact(patterns) is None:
        why = f"{where}.namespaces: list finds the namespaces that match"
        yield Permission(*_NAMESPACES, ("list",), (why,))


def _places(kind: Resource, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the namespaces, or ("",) for all; RBAC has no patterns of namespaces."""
    return exact(patterns) or ("",) if kind.namespaced else ("",)


def _merged(needed: Iterable[Permission]) -> Iterator[Permission]:
    """Yield one permission for each resource, namespace and names; no verb is granted twice."""
    merged: dict[tuple[str, str, str, tuple[str, ...]], Permission] = {}
    for one in needed:
        key = (one.group, one.plural, one.namespace, one.names)
        merged[key] = _joined(merged[key], one) if key in merged else one
    found = list(merged.values())
    for one in found:
        granted = {verb for other in found if _includes(other, one) for verb in other.verbs}
        if verbs := tuple(verb for verb in one.verbs if verb not in granted):
            yield replace(one, verbs=verbs)


def _joined(first: Permission, second: Permission) -> Permission:
    """Join two permissions for the same objects."""
    verbs = dict.fromkeys((*first.verbs, *second.verbs))
    reasons = dict.fromkeys((*first.reasons, *second.reasons))
    return replace(first, verbs=tuple(verbs), reasons=tuple(reasons))


def _includes(wide: Permission, narrow: Permission) -> bool:
    """Report whether `wide`, another permission, is for all objects of `narrow`."""
    return (
        wide is not narrow
        and (wide.group, wide.plural) == (narrow.group, narrow.plural)
        and wide.namespace in ("", narrow.namespace)
        and (not wide.names or (bool(narrow.names) and set(wide.names) >= set(narrow.names)))
    )
