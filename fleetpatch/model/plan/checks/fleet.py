"""The clusters of a plan: each is listed once, and has one way to reach it and to sign in.

Messages never quote URLs, because they may contain passwords.
"""

from collections.abc import Iterator
from typing import Final

from fleetpatch.model.addresses import AddressError, is_loopback, normalized, parse
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.auth import IamAuth, TokenAuth
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.section import Section, keys_of
from fleetpatch.model.plan.tree import mapping_at, sections
from fleetpatch.model.providers.tables import PROVIDERS

_METHODS: Final = ("token", "iam", "aksk")
_BY_CONTEXT: Final = " or ".join(p.name for p in PROVIDERS.values() if p.has_kubeconfig)
_BY_URL: Final = " or ".join(p.name for p in PROVIDERS.values() if not p.has_kubeconfig)


def check_fleet(tree: Json) -> Iterator[Finding]:
    """Find keys of clusters that are missing or cannot be combined, and repeated clusters."""
    for key in ("name", "context"):
        yield from _repeated(tree, key)
    yield from _repeated_servers(tree)
    for path in sections(tree, ("fleet",)):
        cluster = mapping_at(tree, path)
        has_kubeconfig = _has_kubeconfig(cluster)
        yield from (_reached_by_context if has_kubeconfig else _reached_by_url)(cluster, path)
        yield from _auth(tree, (*path, "auth"))


def _has_kubeconfig(cluster: dict[str, Json]) -> bool:
    # Its section reports an unknown provider; here it counts as the default.
    name = cluster.get("provider")
    return all(provider.has_kubeconfig for provider in PROVIDERS.values() if provider.name == name)


def _repeated(tree: Json, key: str) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for position, path in enumerate(sections(tree, ("fleet",))):
        value = mapping_at(tree, path).get(key)
        if not isinstance(value, str):
            continue
        if value in first:
            what = f"{value!r} is fleet[{first[value]}] already; list each cluster once"
            yield Finding((*path, key), what)
        first.setdefault(value, position)


def _repeated_servers(tree: Json) -> Iterator[Finding]:
    """Find servers that are listed twice; one URL of CCI serves many projects."""
    known: list[tuple[int, str, tuple[str, ...]]] = []
    for position, path in enumerate(sections(tree, ("fleet",))):
        cluster = mapping_at(tree, path)
        # Compared in canonical form: `https://HOST:443/` is the same server as `https://host`.
        if not isinstance(url := cluster.get("server"), str):
            continue
        server, project = normalized(url), _project(mapping_at(tree, (*path, "auth")))
        for earlier, other, its_project in known:
            # One finding for each server; the first other entry is named.
            if server == other and not _are_different(project, its_project):
                what = f"this server is fleet[{earlier}] already; list each cluster once"
                yield Finding((*path, "server"), what)
                break
        known.append((position, server, project))


def _project(auth: dict[str, Json]) -> tuple[str, ...]:
    """Return the project of a log-in, with its scope; empty if it has none."""
    for method, keys in (("iam", ("domain", "project")), ("aksk", ("project",))):
        section = auth.get(method)
        if isinstance(section, dict) and all(isinstance(section.get(key), str) for key in keys):
            return (method, *(section[key] for key in keys))
    return ()


def _are_different(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Report whether two projects are certainly different.

    A log-in to IAM has the project's name, an access key has its id, so these cannot be compared.
    """
    return one[:1] == other[:1] and one != other


def _reached_by_context(cluster: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    for key in ("server", "auth"):
        if key in cluster:
            yield Finding(
                (*path, key),
                f"is for provider {_BY_URL}; for any other cluster it is in the kubeconfig, so name"
                " its context instead",
                of_key=True,
            )


def _reached_by_url(cluster: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    missing = f"is missing; provider {cluster['provider']} needs"
    if "server" not in cluster:
        yield Finding((*path, "server"), f"{missing} the URL of its API")
    else:
        yield from _url(cluster["server"], (*path, "server"))
    if "auth" not in cluster:
        yield Finding((*path, "auth"), f"{missing} one of {', '.join(_METHODS)}")
    if "context" in cluster:
        what = f"is for provider {_BY_CONTEXT}; remove it here"
        yield Finding((*path, "context"), what, of_key=True)


def _auth(tree: Json, path: TreePath) -> Iterator[Finding]:
    auth = mapping_at(tree, path)
    given = [method for method in auth if method in _METHODS]
    # `mapping_at` returns {} for a missing auth, too, which `_reached_by_url` reports.
    if not auth and mapping_at(tree, path[:-1]).get("auth") == {}:
        yield Finding(path, f"is empty; add one of {', '.join(_METHODS)}")
    for method in given[1:]:
        what = f"cannot be combined with {given[0]}; use one of them"
        yield Finding((*path, method), what, of_key=True)
    yield from _either(auth, (*path, "token"), TokenAuth, "env", "file")
    yield from _either(auth, (*path, "iam"), IamAuth, "passwordEnv", "passwordFile")
    iam = mapping_at(auth, ("iam",))
    if "endpoint" in iam:
        yield from _url(iam["endpoint"], (*path, "iam", "endpoint"))


def _either(
    auth: dict[str, Json], path: TreePath, model: type[Section], *keys: str
) -> Iterator[Finding]:
    """Find a section in which not exactly one of two keys is set.

    With an unknown key nothing is reported as missing: it may be one of the two, misspelled.
    """
    section = auth.get(str(path[-1]))
    if not isinstance(section, dict):
        return
    given = [key for key in section if key in keys]
    if len(given) > 1:
        what = f"cannot be combined with {given[0]}; remove one"
        yield Finding((*path, given[1]), what, of_key=True)
    elif not given and keys_of(model).keys() >= section.keys():
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
        # First of these checks: a password must be removed in any case.
        what = "contains a user or a password, which do not belong in a plan file; remove them"
        yield Finding(path, what)
    elif not (parts.scheme == "https" or is_loopback(parts.hostname or "")):
        what = "must be a URL that begins with https://; only localhost may be used without TLS"
        yield Finding(path, what)
    elif parts.query or parts.fragment:
        yield Finding(path, "must be a URL without a query (?) or a fragment (#); remove it")
