"""Generate pod templates, and strategic merge patches of them, from a seed."""

from collections.abc import Iterator
from random import Random
from typing import Any

_CONTAINERS = ["main", "side", "log"]
_NAMES = ["a", "b", "c"]
_WORDS = ["x", "y", "z"]
_FINALIZERS = [f"example.com/{letter}" for letter in "abcdef"]


def pod_template(random: Random) -> dict[str, Any]:
    """A valid template with every kind of list in it."""
    containers = [_container(random, name) for name in _CONTAINERS[: random.choice([1, 2, 3])]]
    return {
        "metadata": {"labels": {"app": "etl", "team": "red"}, "finalizers": _FINALIZERS[:4]},
        "spec": {
            "restartPolicy": "Always",
            "containers": containers,
            "initContainers": [{"name": "init", "image": "busybox", "command": ["true"]}],
            "volumes": [{"name": name, "emptyDir": {}} for name in _NAMES],
            "imagePullSecrets": [{"name": name} for name in _NAMES],
            "hostAliases": [{"ip": f"10.0.0.{n}", "hostnames": ["h"]} for n in range(3)],
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "nodeSelector": {"disk": "ssd"},
        },
    }


def template_patch(random: Random) -> dict[str, Any]:
    """The body of a patch of a template's metadata, of its spec, or of both."""
    body: dict[str, Any] = {}
    if random.random() < 0.3:
        body["metadata"] = random.choice(_METADATA)
    elif random.random() < 0.4:
        body["metadata"] = dict(_ordered_set(random))
    if random.random() < 0.9:
        fields = random.sample(sorted(_SPEC), random.choice([1, 1, 2]))
        body["spec"] = {key: value for field in fields for key, value in _SPEC[field](random)}
    return body


def _container(random: Random, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": "busybox",
        "command": ["true"],
        "args": list(_WORDS),
        "env": [{"name": each, "value": "1"} for each in random.sample(_NAMES, 3)],
        "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}],
        "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in _NAMES],
        "resources": {"limits": {"cpu": "1"}},
        "livenessProbe": {"exec": {"command": ["true"]}},
    }


_METADATA: list[Any] = [
    {"labels": {"team": "blue", "new": "1"}},
    {"labels": {"team": None, "absent": None}},
    {"labels": {"$patch": "replace", "app": "only"}},
    {"labels": {"$patch": "delete"}},
    {"labels": {"$patch": "frob"}},
    {"labels": {"$retainKeys": ["team"], "team": "blue"}},
    {"labels": None},
    {"annotations": {"note": None}},
    {"annotations": {"$patch": "replace", "note": "1"}},
    {"finalizers": ["example.com/b", "example.com/a"]},
    {"finalizers": ["example.com/b"]},
    {"finalizers": []},
    {"finalizers": [{"name": "x"}]},
    {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]},
    {"$deleteFromPrimitiveList/finalizers": "text"},
    {"$setElementOrder/finalizers": ["example.com/b", "example.com/a"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]},
    None,
]
_WHOLE: list[Any] = [
    {"tolerations": [{"key": "other", "operator": "Exists"}]},
    {"tolerations": []},
    {"tolerations": None},
    {"nodeSelector": {"disk": None, "zone": "a"}},
    {"nodeSelector": {"$patch": "replace", "zone": "a"}},
    {"dnsConfig": {"nameservers": ["10.0.0.10"], "searches": ["x"]}},
    {"securityContext": {"supplementalGroups": [1, 2]}},
    {"containers": ["text"]},
    {"containers": [{"image": "nameless"}]},
    {"containers": [{"name": "main", "$patch": "frob"}]},
    {"containers": [[]]},
    {"containers": None},
    {"terminationGracePeriodSeconds": 5},
    {"unknown": {"$patch": "replace"}},
]


def _ordered_set(random: Random) -> Iterator[tuple[str, Any]]:
    """A set, its order, and its deletions, in all combinations with a deterministic result.

    Without an order, the server may merge the set before it deletes from it, or after. The result
    differs if both contain the same entry.
    """
    added = _some(random, _FINALIZERS)
    deleted = _some(random, _FINALIZERS)
    if random.random() < 0.7:
        yield "finalizers", added
    ordered = random.random() < 0.7
    if ordered:
        order = [*added, *_some(random, _FINALIZERS)]
        if random.random() < 0.3:
            random.shuffle(order)  # so that it may contradict the list
        yield "$setElementOrder/finalizers", list(dict.fromkeys(order))
    if random.random() < 0.6 and (ordered or not set(deleted) & set(added)):
        yield "$deleteFromPrimitiveList/finalizers", deleted


def _some(random: Random, names: list[str]) -> list[str]:
    """Some of the names in any order, sometimes with a repeated one."""
    chosen = random.sample(names, random.randrange(len(names)))
    return [*chosen, *(random.sample(chosen, 1) if chosen and random.random() < 0.2 else [])]


def _entries(random: Random, names: list[Any], make: Any) -> list[Any]:
    """Some entries in any order, some with `delete`, in one of ten lists also a `replace`."""
    chosen = random.sample(names, random.randrange(len(names) + 1))
    made = [
        {**make(random, name), "$patch": "delete"} if random.random() < 0.2 else make(random, name)
        for name in chosen
    ]
    if random.random() < 0.1:
        made.insert(random.randrange(len(made) + 1), {"$patch": "replace"})
    return made


def _listed(field: str, key: str, names: list[Any], make: Any) -> Any:
    """Return a generator of the list `field`, sometimes with its `$setElementOrder`."""

    def fields(random: Random) -> Any:
        entries = _entries(random, names, make)
        yield field, entries
        if random.random() < 0.25 and {"$patch": "replace"} not in entries:
            plain = [entry[key] for entry in entries if "$patch" not in entry]
            gone = [entry.get(key) for entry in entries if "$patch" in entry]
            others = [name for name in names if name not in (*plain, *gone)]
            added = random.sample(others, random.randrange(len(others) + 1))
            order = [*plain, *added]
            if random.random() < 0.15:
                random.shuffle(order)
            yield f"$setElementOrder/{field}", [{key: name} for name in order]

    return fields


def _changed_container(random: Random, name: str) -> dict[str, Any]:
    changes: list[Any] = [
        {"image": f"busybox:{random.randrange(3)}"},
        {"command": ["sh", "-c", random.choice(_WORDS)]},
        {"args": random.sample(_WORDS, 2)},
        {"$setElementOrder/args": random.sample(_WORDS, 3)},
        {"args": ["y", "w"], "$setElementOrder/args": random.sample(["w", "y"], 2)},
        {"resources": {"$retainKeys": ["limits"], "requests": {"cpu": "1"}}},
        {"resources": {"$retainKeys": ["limits"], "requests": None, "limits": {"cpu": "2"}}},
        {"args": None},
        {"ports": [{"containerPort": 81, "name": "alt"}, {"containerPort": 82}]},
        {"ports": [{"containerPort": 80, "$patch": "delete"}]},
        {"volumeMounts": [{"name": "a", "mountPath": "/b"}, {"name": "c", "mountPath": "/d"}]},
        {"resources": {"limits": {"cpu": None, "memory": "1Gi"}}},
        {"resources": {"$patch": "replace", "requests": {"cpu": "1"}}},
        {"livenessProbe": {"exec": {"command": ["false", "x"]}}},
        {"livenessProbe": {"$retainKeys": ["tcpSocket"], "tcpSocket": {"port": 80}}},
        {"env": _entries(random, [*_NAMES, "d", "e"], _variable)},
        {"env": _entries(random, [*_NAMES, "d", "e"], _variable)},
    ]
    return {"name": name, "image": "busybox", **random.choice(changes)}


def _variable(random: Random, name: str) -> dict[str, Any]:
    return {"name": name, "value": random.choice(_WORDS)}


def _volume(random: Random, name: str) -> dict[str, Any]:
    sources: list[Any] = [
        {"emptyDir": {"medium": "Memory"}},
        {"emptyDir": None, "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
        {"$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}},
    ]
    return {"name": name, **random.choice(sources)}


def _whole(random: Random) -> Any:
    return random.choice(_WHOLE).items()


_SPEC: dict[str, Any] = {
    "containers": _listed("containers", "name", [*_CONTAINERS, "new"], _changed_container),
    "initContainers": _listed("initContainers", "name", ["init", "more"], _changed_container),
    "volumes": _listed("volumes", "name", [*_NAMES, "d"], _volume),
    "imagePullSecrets": _listed(
        "imagePullSecrets", "name", [*_NAMES, "d", "e"], lambda _, name: {"name": name}
    ),
    "hostAliases": _listed(
        "hostAliases",
        "ip",
        [f"10.0.0.{number}" for number in range(4)],
        lambda random, ip: {"ip": ip, "hostnames": random.sample(_WORDS, 2)},
    ),
    "other": _whole,
}
