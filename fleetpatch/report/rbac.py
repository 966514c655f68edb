"""Permissions as manifests of Kubernetes' RBAC, with the reason for each rule as a comment."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from fleetpatch.errors import UsageError
from fleetpatch.model.names import problem_of_dns_label, problem_of_dns_subdomain
from fleetpatch.rules.planning.permissions import Permission

_GROUP = "rbac.authorization.k8s.io"


class ServiceAccount(NamedTuple):
    """The account that carries a plan out."""

    namespace: str
    name: str


def read_account(text: str) -> ServiceAccount:
    """Read `namespace/name`. Raises UsageError."""
    namespace, slash, name = text.partition("/")
    if not slash:
        raise UsageError(f"--service-account: {text!r} has no namespace; write NAMESPACE/NAME")
    if problem := problem_of_dns_label(namespace) or problem_of_dns_subdomain(name):
        raise UsageError(f"--service-account: {problem}")
    return ServiceAccount(namespace, name)


def manifest_lines(
    name: str, permissions: Sequence[Permission], account: ServiceAccount | None
) -> Iterator[str]:
    """Yield the lines of a YAML stream: a role for each namespace, and one for all of them.

    `name` is that of all objects. Each role is bound to `account`; without one there are no
    bindings.
    """
    by_place = sorted(permissions, key=lambda one: one.namespace)
    for namespace, allowed in groupby(by_place, lambda one: one.namespace):
        yield from _role(name, namespace, list(allowed))
        if account is not None:
            yield from _binding(name, namespace, account)


def _role(name: str, namespace: str, allowed: Sequence[Permission]) -> Iterator[str]:
    yield from _head("Role" if namespace else "ClusterRole", name, namespace)
    yield "rules:"
    for one in allowed:
        yield from (f"# {reason}" for reason in one.reasons)
        yield f"- apiGroups: {json.dumps([one.group])}"
        yield f"  resources: {json.dumps([one.plural])}"
        if one.names:
            yield f"  resourceNames: {json.dumps(one.names)}"
        yield f"  verbs: {json.dumps(one.verbs)}"


def _binding(name: str, namespace: str, account: ServiceAccount) -> Iterator[str]:
    role = "Role" if namespace else "ClusterRole"
    yield from _head(f"{role}Binding", name, namespace)
    yield "roleRef:"
    yield f"  apiGroup: {_GROUP}"
    yield f"  kind: {role}"
    yield f"  name: {json.dumps(name)}"
    yield "subjects:"
    yield "- kind: ServiceAccount"
    yield f"  namespace: {json.dumps(account.namespace)}"
    yield f"  name: {json.dumps(account.name)}"


def _head(kind: str, name: str, namespace: str) -> Iterator[str]:
    yield "---"
    yield f"apiVersion: {_GROUP}/v1"
    yield f"kind: {kind}"
    yield "metadata:"
    if namespace:
        yield f"  namespace: {json.dumps(namespace)}"
    yield f"  name: {json.dumps(name)}"
