"""Generate requests from a seed: valid and invalid patches of every type, and lists.

Bodies may contain the placeholders `VERSION`, `STALE`, `UID` and `NAME` as whole strings. The tests
replace them by the values that the object has on each server.
"""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

_KEYS = ["app", "team", "example.com/owner", "q", "a b", "-x", "x/y/z", "ü", "very." * 9 + "long"]
_VALUES: list[Any] = ["etl", "train", "", "4711", "A_b.c", "a b", "-x", "x" * 64, "ü", 5, True]
_VALUES += [None, None, None, {"a": "b"}, ["a"], 1.5]
_BAD_MAPS: list[Any] = [None, {}, "text", ["a"], 5]
_METADATA: list[dict[str, Any]] = [
    {"resourceVersion": "VERSION"},
    {"resourceVersion": "STALE"},
    {"resourceVersion": "STALE", "uid": "other"},
    {"resourceVersion": "VERSION", "uid": "UID"},
    {"resourceVersion": "VERSION", "labels": {"q": "5"}},
    {"resourceVersion": "STALE", "labels": {"q": "5"}},
    {"resourceVersion": "STALE", "labels": {"q": 5}},
    {"resourceVersion": "STALE", "labels": {"q": "a b"}},
    {"resourceVersion": "STALE", "name": "other"},
    {"resourceVersion": "abc"},
    {"resourceVersion": ""},
    {"resourceVersion": "0"},
    {"resourceVersion": None},
    {"resourceVersion": 5},
    {"uid": "UID"},
    {"uid": "other"},
    {"uid": None},
    {"uid": "other", "labels": {"q": "a b"}},
    {"name": "NAME"},
    {"name": "other"},
    {"name": None},
    {"namespace": "other"},
    {"namespace": None},
    {"creationTimestamp": None},
    {"creationTimestamp": "2017-12-13T03:15:55Z"},
    {"creationTimestamp": "yesterday"},
    {"deletionTimestamp": "2017-12-13T03:15:55Z"},
    {"generation": 77},
    {"generation": "seven"},
    {"generateName": "made-"},
    {"finalizers": ["example.com/one"]},
    {"finalizers": None},
    {"finalizers": []},
    {"finalizers": ["example.com/one", 5]},
    {"unknown": "field"},
]
_SPECS: list[Any] = [
    {"parallelism": 3},
    {"parallelism": "3"},
    {"parallelism": -1},
    {"parallelism": None},
    {"completions": 5},
    {"completions": None},
    {"backoffLimit": 9},
    {"backoffLimit": -3},
    {"activeDeadlineSeconds": 9},
    {"unknown": 1},
    {"selector": {"matchLabels": {"a": "b"}}},
    {"selector": None},
    {"template": {"metadata": {"labels": {"x": "y"}}}},
    {"template": {"spec": {"restartPolicy": "OnFailure"}}},
    {"template": {"spec": {"restartPolicy": "Always"}}},
    {"template": {"spec": {"nodeName": "n"}}},
    {"template": {"spec": {"unknown": 1}}},
    {"template": {"spec": {"containers": [{"name": "z", "image": "q"}]}}},
    {"template": None},
    {"parallelism": 2, "completions": 7},
    "text",
    None,
]
_BODIES = [
    {},
    [],
    "text",
    b"",
    b"null",
    b"5",
    b'{"metadata":',
    b'{"metadata":{"labels":{"d":"1","d":"2"}}}',
    {"op": "replace", "path": "/status", "value": "Available"},
    {"metadata": None},
    {"metadata": "text"},
    {"kind": "Other"},
    {"apiVersion": "v2"},
    {"foo": {"bar": 1}},
]
_POINTERS = [
    "/metadata/labels/app",
    "/metadata/labels/q",
    "/metadata/labels/example.com~1owner",
    "/metadata/labels",
    "/metadata/annotations",
    "/metadata/annotations/note",
    "/metadata/nowhere/x",
    "/metadata/resourceVersion",
    "/metadata/uid",
    "/metadata/name",
    "/metadata/finalizers",
    "/metadata/finalizers/-",
    "/metadata/finalizers/0",
    "/metadata/finalizers/7",
    "/metadata/finalizers/-1",
    "/spec/unknown",
    "metadata/labels/q",
    "",
    "no-slash",
]
_OPERATIONS = ["add", "add", "replace", "remove", "test", "move", "copy", "frob"]
_SELECTORS = [
    "app=etl",
    "app in (etl,train),n!=3",
    "!n",
    "n>2",
    "nope=1",
    "a,,b",
    "a gt 5",
    ",",
    "app==etl",
    "x/y/z=1",
    "a=ü",
    "app notin (etl)",
    "",
]
_FIELD_SELECTORS = [
    "metadata.name=o1",
    "metadata.name!=o1",
    "metadata.namespace=nope",
    "status.successful=0",
    "status.successful!=0",
    "spec.foo=1",
    "nonsense",
    "metadata.name=o1,metadata.name=o2",
    "",
]
_CONTINUES = ["", "", "garbage", "!!", "e30", "bnVsbA", "WzFd"]
_PARTIAL = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True)
class Step:
    """One request for an object or a collection; `query` is appended to the path."""

    method: str
    body: Any = None
    content_type: str = "application/json"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def merge_patch(random: Random) -> Any:
    """The body of a merge patch, in most cases of labels or annotations."""
    kind = random.randrange(10)
    if kind < 5:
        return {"metadata": {random.choice(["labels", "annotations"]): _map(random)}}
    if kind < 7:
        return {"metadata": random.choice(_METADATA)}
    if kind < 9:
        return {"spec": random.choice(_SPECS)}
    return random.choice(_BODIES)


def json_patch(random: Random) -> Any:
    """The body of a JSON Patch: operations, or something else."""
    if random.random() < 0.08:
        return random.choice([*_BODIES, [5], ["text"], [None], [[]]])
    return [_operation(random) for _ in range(random.choice([1, 1, 1, 2, 3]))]


def patch_step(random: Random) -> Step:
    """A PATCH."""
    content_type = random.choice([MERGE, MERGE, MERGE, JSON_PATCH, JSON_PATCH, STRATEGIC])
    if random.random() < 0.04:
        content_type = random.choice(["application/json", "text/plain", f"{MERGE}; charset=utf-8"])
    body = json_patch(random) if content_type == JSON_PATCH else merge_patch(random)
    query = random.choice([*[""] * 12, "?dryRun=All", "?dryRun=Maybe", "?force=true"])
    headers = {"Accept": _PARTIAL.format("")} if random.random() < 0.2 else {}
    return Step("PATCH", body, content_type, query, headers)


def list_step(random: Random) -> Step:
    """A GET of a collection."""
    query: dict[str, str] = {}
    if random.random() < 0.6:
        query["labelSelector"] = random.choice(_SELECTORS)
    if random.random() < 0.3:
        query["fieldSelector"] = random.choice(_FIELD_SELECTORS)
    if random.random() < 0.6:
        query["limit"] = random.choice(["1", "2", "3", "5", "6", "0", "-1", "abc"])
    if random.random() < 0.2:
        query["continue"] = random.choice(_CONTINUES)
    accept = {"Accept": _PARTIAL.format("List")} if random.random() < 0.4 else {}
    return Step("GET", query=f"?{urlencode(query)}", headers=accept)


def filled(value: Any, values: dict[str, str]) -> Any:
    """`value` with its placeholders replaced."""
    if isinstance(value, bytes) or value is None:
        return value
    text = json.dumps(value)
    for placeholder, actual in values.items():
        text = text.replace(f'"{placeholder}"', json.dumps(actual))
    return json.loads(text)


def _map(random: Random) -> Any:
    if random.random() < 0.1:
        return random.choice(_BAD_MAPS)
    good = random.random() < 0.6
    keys, values = (_KEYS[:4], [*_VALUES[:5], None, None]) if good else (_KEYS, _VALUES)
    return {random.choice(keys): random.choice(values) for _ in range(random.choice([1, 1, 2]))}


def _operation(random: Random) -> dict[str, Any]:
    operation: dict[str, Any] = {"op": random.choice(_OPERATIONS), "path": random.choice(_POINTERS)}
    match operation["op"]:
        case "move" | "copy":
            sources = [path for path in _POINTERS if path != "/metadata/resourceVersion"]
            operation["from"] = random.choice(sources)
        case "remove":
            pass
        case _:
            own = {"/metadata/resourceVersion": "VERSION", "/metadata/uid": "UID"}
            values = ["etl", "q", {"app": "etl"}, ["example.com/one"], 5]
            operation["value"] = random.choice([*values, own.get(operation["path"], "etl")])
    return operation
