"""What takes two values of a plan to be wrong, outside of its patch."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections, texts_at


def check_plan(tree: Json) -> Iterator[Finding]:
    """Find what does not go together in fleet, targets, pace, retry, guards and limits."""
    yield from _fleet(tree)
    for block in sections(tree, ("targets",)):
        yield from _repeated(tree, (*block, "kinds"))
        yield from _repeated(tree, (*block, "namespaces"))
    yield from _pace(tree)
    yield from _statuses(tree)
    yield from _repeated(tree, ("guards", "allowKeys"))
    if mapping_at(tree, ()).get("limits") == {}:
        yield Finding(("limits",), "holds no limit; give maxFailures or deadline, or remove it")


def _fleet(tree: Json) -> Iterator[Finding]:
    for key in ("name", "context", "server"):
        first: dict[str, int] = {}
        for position, path in enumerate(sections(tree, ("fleet",))):
            value = mapping_at(tree, path).get(key)
            if not isinstance(value, str):
                continue
            if value in first:
                yield Finding(
                    (*path, key),
                    f"{value!r} is fleet[{first[value]}] already; a cluster is named once",
                )
            first.setdefault(value, position)
    for path in sections(tree, ("fleet",)):
        yield from _cluster(mapping_at(tree, path), path)


def _cluster(cluster: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    if cluster.get("provider") == "cci":
        yield from _cci(cluster, path)
        return
    for key in ("server", "auth"):
        if key in cluster:
            yield Finding(
                (*path, key),
                "is for provider cci; a Kubernetes cluster's stands in the kubeconfig, so name its"
                " context instead",
                of_key=True,
            )


def _cci(cluster: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    server = cluster.get("server")
    if "server" not in cluster:
        yield Finding((*path, "server"), "is missing; provider cci needs the URL of its API")
    elif isinstance(server, str) and not _is_https(server):
        yield Finding((*path, "server"), "must be a URL that begins with https://")
    if "context" in cluster:
        yield Finding((*path, "context"), "is for provider kubernetes; remove it here", of_key=True)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # an unclosed bracket in the host
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _pace(tree: Json) -> Iterator[Finding]:
    pace = mapping_at(tree, ("pace",))
    if "burst" in pace and "rate" not in pace:
        yield Finding(
            ("pace", "burst"), "means nothing without a rate; add one, or remove it", of_key=True
        )


def _statuses(tree: Json) -> Iterator[Finding]:
    path = ("retry", "statuses")
    statuses = list_at(tree, path)
    for position, status in enumerate(statuses):
        if status in statuses[:position]:
            yield Finding((*path, position), f"{status} stands here twice; remove one")


def _repeated(tree: Json, path: TreePath) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, text in texts_at(tree, path):
        if text in seen:
            yield Finding(place, f"{text!r} stands here twice; remove one")
        seen.add(text)
