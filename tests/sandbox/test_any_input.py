"""The API answers any request: any JSON, and any bytes, as a patch, an object or a query.

Left out: that the answer is the right one (tests/differential).
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetpatch.sandbox.apiserver.access import ADMIN, Access
from fleetpatch.sandbox.apiserver.api import Api, ApiRequest
from fleetpatch.sandbox.apiserver.discovery import SERVED
from fleetpatch.sandbox.apiserver.release import RELEASES, KubernetesVersion, Release
from fleetpatch.sandbox.apiserver.statuses import ApiReply, encode
from fleetpatch.sandbox.apiserver.store import Store
from fleetpatch.sandbox.apiserver.writes import Writes
from fleetpatch.sandbox.fleet import fill
from tests.sandbox.objects import BATCH, JSON_PATCH, MERGE, NAMESPACE, STRATEGIC, TENSORFLOW
from tests.sandbox.spellings import APPLY, SHAPES, TEXTS, configuration

FIELDS = [
    *("metadata", "spec", "status", "apiVersion", "kind", "name", "labels", "annotations", "uid"),
    *("resourceVersion", "finalizers", "ownerReferences", "template", "containers", "selector"),
    *("matchLabels", "parallelism", "restartPolicy", "$patch", "op", "path", "value", "from"),
    *("preconditions", "dryRun", "manualSelector", "generateName", "image"),
]
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([*FIELDS, "/spec/x"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
    ),
    max_leaves=12,
)
# Free JSON hardly ever reaches the validation of a spec, so some bodies have the right outline.
BODIES = (
    JSON
    | st.fixed_dictionaries({"metadata": JSON, "spec": JSON})
    | st.fixed_dictionaries({"spec": st.fixed_dictionaries({"template": JSON, "selector": JSON})})
    | st.lists(st.fixed_dictionaries({"op": st.just("add"), "path": JSON, "value": JSON}))
)
KINDS = st.sampled_from([BATCH, TENSORFLOW])
ANY = st.sampled_from(list(RELEASES.values()))


def api(release: Release) -> Api:
    # Without a socket: hundreds of requests in a second, each on a fresh store.
    store = Store(SERVED)
    fill(store, release, job_count=0, namespace_count=1, seed=0)
    made = Api(store, Writes(store, lambda: "uid", release), Access({"token": ADMIN}))
    for kind in (BATCH, TENSORFLOW):
        body = encode(kind.manifest("one", {"app": "etl"}))
        created = made.answer(ApiRequest("POST", kind.path(NAMESPACE), {}, body=body))
        assert created.status == 201
    return made


def answered(release: Release, request: ApiRequest) -> ApiReply:
    reply = api(release).answer(request)
    assert 200 <= reply.status < 600
    return reply


@settings(max_examples=400, deadline=None)
@given(
    release=ANY,
    kind=KINDS,
    content_type=st.sampled_from([MERGE, JSON_PATCH, STRATEGIC]),
    body=BODIES,
)
def test_any_json_is_answered_as_a_patch(
    release: Release, kind: Any, content_type: str, body: Any
) -> None:
    path = kind.path(NAMESPACE, "one")
    answered(release, ApiRequest("PATCH", path, {}, {"content-type": content_type}, encode(body)))


@settings(max_examples=200, deadline=None)
@given(release=ANY, kind=KINDS, method=st.sampled_from(["POST", "PUT", "DELETE"]), body=BODIES)
@example(
    release=RELEASES[KubernetesVersion.V1_36],
    kind=BATCH,
    method="POST",
    body={"spec": {"template": None, "selector": {"matchLabels": None}}},
)
def test_any_json_is_answered_as_an_object(
    release: Release, kind: Any, method: str, body: Any
) -> None:
    path = kind.path(NAMESPACE, None if method == "POST" else "one")
    answered(release, ApiRequest(method, path, {}, body=encode(body)))


@settings(max_examples=400, deadline=None)
@given(
    release=ANY,
    kind=KINDS,
    method=st.sampled_from(["PATCH", "PATCH", "PATCH", "POST", "PUT", "DELETE"]),
    content_type=st.sampled_from([MERGE, JSON_PATCH, STRATEGIC, APPLY]),
    shape=st.sampled_from(SHAPES),
    text=st.sampled_from(TEXTS),
)
def test_any_spelling_is_answered(
    release: Release, kind: Any, method: str, content_type: str, shape: bytes, text: bytes
) -> None:
    path = kind.path(NAMESPACE, None if method == "POST" else "one")
    headers = {"content-type": content_type if method == "PATCH" else "application/json"}
    body = shape % text
    if content_type == APPLY:
        body = configuration(kind, body)
    reply = answered(release, ApiRequest(method, path, {"fieldManager": "us"}, headers, body))
    encode(msgspec.json.decode(reply.body))  # the answer itself is valid JSON


@given(
    release=ANY,
    content_type=st.sampled_from([MERGE, JSON_PATCH, STRATEGIC]),
    body=st.binary(max_size=20),
)
def test_any_bytes_are_answered(release: Release, content_type: str, body: bytes) -> None:
    path = BATCH.path(NAMESPACE, "one")
    answered(release, ApiRequest("PATCH", path, {}, {"content-type": content_type}, body))


@given(
    release=ANY,
    parameters=st.dictionaries(
        st.sampled_from(
            ["limit", "continue", "labelSelector", "fieldSelector", "resourceVersion", "dryRun"]
        ),
        st.text(max_size=12),
    ),
)
def test_any_query_is_answered(release: Release, parameters: Mapping[str, str]) -> None:
    answered(release, ApiRequest("GET", BATCH.path(NAMESPACE), parameters))


@given(
    release=ANY,
    path=st.lists(st.sampled_from(["apis", "api", "v1", "batch", "jobs", "namespaces", "", "x"])),
)
def test_any_path_is_answered(release: Release, path: list[str]) -> None:
    answered(release, ApiRequest("GET", "/" + "/".join(path), {}))
