"""The clusters of a plan: named once, reached in one way, and signed in to in one way.

URLs are not quoted: people write passwords into them.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.addresses import AddressError, is_loopback, normalized, parse
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.auth import IamAuth, TokenAuth
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.section import Section
from fleetpatch.model.plan.tree import mapping_at, sections

_WAYS: Final = ("token", "iam", "aksk")


def check_fleet(tree: Json) -> Iterator[Finding]:
    """Find what does not go together in the clusters, and between them."""
    for key in ("name", "context"):
        yield from _twice(tree, key)
    yield from _server_twice(tree)
    for path in sections(tree, ("fleet",)):
        cluster = mapping_at(tree, path)
        yield from _cci(cluster, path) if _is_cci(cluster) else _kubernetes(cluster, path)
        yield from _auth(tree, (*path, "auth"))


def _is_cci(cluster: dict[str, Json]) -> bool:
    return cluster.get("provider") == "cci"


def _twice(tree: Json, key: str) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for position, path in enumerate(sections(tree, ("fleet",))):
        value = mapping_at(tree, path).get(key)
        if not isinstance(value, str):
            continue
        if value in first:
            what = f"{value!r} is fleet[{first[value]}] already; a cluster is named once"
            yield Finding((*path, key), what)
        first.setdefault(value, position)


def _server_twice(tree: Json) -> Iterator[Finding]:
    """Find servers that are named twice; one URL of CCI's serves many projects."""
    known: list[tuple[int, str, tuple[str, ...]]] = []
    for position, path in enumerate(sections(tree, ("fleet",))):
        cluster = mapping_at(tree, path)
        if not isinstance(url := cluster.get("server"), str):
            continue
        server, project = normalized(url), _project(mapping_at(tree, (*path, "auth")))
        for earlier, other, its_project in known:
            if server == other and not _are_different(project, its_project):
                what = f"this server is fleet[{earlier}] already; a cluster is named once"
                yield Finding((*path, "server"), what)
                break
        known.append((position, server, project))


def _project(auth: dict[str, Json]) -> tuple[str, ...]:
    """The project of a log-in, with what its name belongs to; empty where it says none."""
    for way, keys in (("iam", ("domain", "project")), ("aksk", ("project",))):
        section = auth.get(way)
        if isinstance(section, dict) and all(isinstance(section.get(key), str) for key in keys):
            return (way, *(section[key] for key in keys))
    return ()


def _are_different(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether two projects cannot be one: IAM names them, an access key has their ids."""
    return one[:1] == other[:1] and one != other


def _kubernetes(cluster: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    for key in ("server", "auth"):
        if key in cluster:
            yield Finding(
                (*path, key),
                "is for provider cci; a Kubernetes cluster's stands in the kubeconfig, so name its"
                " context instead",
                of_key=True,
            )


def _cci(cluster: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    if "server" not in cluster:
        yield Finding((*path, "server"), "is missing; provider cci needs the URL of its API")
    else:
        yield from _url(cluster["server"], (*path, "server"))
    if "auth" not in cluster:
        what = f"is missing; provider cci needs one of {', '.join(_WAYS)}"
        yield Finding((*path, "auth"), what)
    if "context" in cluster:
        yield Finding((*path, "context"), "is for provider kubernetes; remove it here", of_key=True)


def _auth(tree: Json, path: TreePath) -> Iterator[Finding]:
    auth = mapping_at(tree, path)
    given = [way for way in auth if way in _WAYS]
    if not auth and mapping_at(tree, path[:-1]).get("auth") == {}:
        yield Finding(path, f"is empty; give one of {', '.join(_WAYS)}")
    for way in given[1:]:
        what = f"stands alone, without {given[0]}; sign in one way only"
        yield Finding((*path, way), what, of_key=True)
    yield from _either(auth, (*path, "token"), TokenAuth, "env", "file")
    yield from _either(auth, (*path, "iam"), IamAuth, "passwordEnv", "passwordFile")
    iam = mapping_at(auth, ("iam",))
    if "endpoint" in iam:
        yield from _url(iam["endpoint"], (*path, "iam", "endpoint"))


def _either(
    auth: dict[str, Json], path: TreePath, model: type[Section], *keys: str
) -> Iterator[Finding]:
    """Exactly one of two keys; where a key that is none stands in their place, that is told."""
    section = auth.get(str(path[-1]))
    if not isinstance(section, dict):
        return
    given = [key for key in section if key in keys]
    known = {field.alias for field in model.model_fields.values()}
    if len(given) > 1:
        what = f"stands alone, without {given[0]}; remove one"
        yield Finding((*path, given[1]), what, of_key=True)
    elif not given and known.issuperset(section):
        yield Finding(path, f"needs {' or '.join(keys)}; add one", of_key=True)


def _url(url: Json, path: TreePath) -> Iterator[Finding]:
    if not isinstance(url, str):
        return
    try:
        parts = parse(url, ("https", "http"))
    except AddressError as error:
        yield Finding(path, f"is not a valid URL: it {error}; write one that begins with https://")
        return
    if "@" in parts.netloc:
        what = "holds a user or a password, which do not belong in a plan file; remove them"
        yield Finding(path, what)
    elif not (parts.scheme == "https" or is_loopback(parts.hostname or "")):
        what = "must be a URL that begins with https://; only localhost may do without TLS"
        yield Finding(path, what)
    elif parts.query or parts.fragment:
        yield Finding(path, "must be a URL without what follows a ? or a #")
