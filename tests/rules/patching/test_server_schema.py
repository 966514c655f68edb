"""Whether a server's own schema shows that it merges by a table.

Covered: kinds with pod templates, fields that the server has not, has in addition, or merges in
another way, atomic types, several documents, any document at all. Left out: the schema of a real
server, which a recorded one would show.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.server_schema import merges_as, schema_paths
from tests.fakes import JOBS
from tests.rules.patching.server_schemas import document, properties

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
PODS = Resource("", "v1", "pods", "Pod")
TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob")
POD_SPEC, JOB_SPEC = "api.core.v1.PodSpec", "api.batch.v1.JobSpec"
SCHEMA = "x-kubernetes-"


def agrees(made: Any, *kinds: Resource) -> bool:
    return merges_as("1.36", [made], kinds or (JOBS,))


@pytest.mark.parametrize("kind", [JOBS, DEPLOYMENTS, PODS])
def test_a_server_with_the_same_schema_merges_as_the_table(kind: Resource) -> None:
    assert agrees(document("1.36"), kind)
    assert not agrees(document("1.20"), kind)


def test_fields_that_an_older_server_lacks_do_not_count() -> None:
    made = document("1.36")
    for field in ("schedulingGroup", "resources", "resourceClaims"):
        del properties(made, POD_SPEC)[field]

    assert agrees(made)


def test_lists_that_the_table_lacks_do_not_count() -> None:
    made = document("1.36")
    items = {"type": "array", "items": {"type": "string"}, f"{SCHEMA}list-type": "set"}
    properties(made, POD_SPEC)["newer"] = items

    assert agrees(made)


@pytest.mark.parametrize(
    ("place", "field", "changed"),
    [
        (POD_SPEC, "nodeSelector", {f"{SCHEMA}map-type": "granular"}),
        (POD_SPEC, "containers", {f"{SCHEMA}patch-merge-key": "image"}),
        (POD_SPEC, "tolerations", {f"{SCHEMA}list-type": "set"}),
        (JOB_SPEC, "template", {"allOf": [{"$ref": "#/components/schemas/io.k8s.Other"}]}),
        (JOB_SPEC, "newer", {"additionalProperties": {}, f"{SCHEMA}map-type": "atomic"}),
    ],
)
def test_a_field_that_merges_in_another_way_is_found_at_any_depth(
    place: str, field: str, changed: dict[str, Any]
) -> None:
    made = document("1.36")
    fields = properties(made, place)
    fields[field] = {**fields.get(field, {}), **changed}

    assert not agrees(made)


def test_a_type_that_is_atomic_only_on_the_server_is_found() -> None:
    made = document("1.36")
    made["components"]["schemas"][f"io.k8s.{POD_SPEC}"][f"{SCHEMA}map-type"] = "atomic"

    assert not agrees(made)


def test_all_kinds_must_agree_and_custom_ones_do_not_count() -> None:
    made = document("1.36")

    assert agrees(made, JOBS, TFJOBS)
    assert not agrees(made, TFJOBS)
    assert not agrees(made, JOBS, Resource("batch", "v1", "others", "Other"))


def test_each_group_version_is_requested_once() -> None:
    jobs_too = Resource("batch", "v1", "cronjobs", "CronJob")

    assert schema_paths([JOBS, jobs_too, PODS, TFJOBS]) == [
        "/openapi/v3/apis/batch/v1",
        "/openapi/v3/api/v1",
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["components", "schemas", "properties", "$ref", "allOf", "items"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(ANYTHING, ANYTHING)
def test_any_document_is_an_answer(made: Any, job: Any) -> None:
    assert not merges_as("1.36", [made], [JOBS])
    schemas = {"io.k8s.api.batch.v1.Job": job}
    merges_as("1.36", [{"components": {"schemas": schemas}}], [JOBS])
