"""Values on the sandbox: that it stores, compares and answers them as a real server does.

Covered: booleans beside numbers in each type of write. Left out: agreement with a real server,
which is tests/differential/test_same_values.py.
"""

from typing import Any

import pytest

from tests.sandbox.objects import JSON_PATCH, MERGE, create
from tests.sandbox.serving import SandboxThread
from tests.sandbox.test_applying import apply

PAIRS: list[tuple[Any, Any]] = [(1, True), (False, 0), ([1], [True]), ({"a": 0}, {"a": False})]


@pytest.fixture
def path(running: SandboxThread) -> str:
    return create(running, "one", kind="tfjobs.kubeflow.org")


def set_value(running: SandboxThread, path: str, value: Any) -> Any:
    answer = running.client.request("PATCH", path, {"spec": {"x": value}}, MERGE)
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_number_becomes_a_boolean(
    running: SandboxThread, path: str, before: Any, after: Any
) -> None:
    first = set_value(running, path, before)
    second = set_value(running, path, after)

    assert repr(second["spec"]["x"]) == repr(after)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert second["metadata"]["generation"] == first["metadata"]["generation"] + 1


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_an_apply_of_one_where_another_manager_has_the_other_is_a_conflict(
    running: SandboxThread, path: str, before: Any, after: Any
) -> None:
    assert apply(running, path, "first", spec={"x": before}).status == 200

    assert apply(running, path, "second", spec={"x": after}).status == 409
    assert apply(running, path, "second", spec={"x": before}).status == 200


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_test_of_one_fails_on_the_other(
    running: SandboxThread, path: str, before: Any, after: Any
) -> None:
    set_value(running, path, before)
    operations = [{"op": "test", "path": "/spec/x", "value": after}]

    assert running.client.request("PATCH", path, operations, JSON_PATCH).status == 422
