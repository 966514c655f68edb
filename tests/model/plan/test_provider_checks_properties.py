"""Any tree of YAML can be checked for the providers.

Left out: what is found in it (test_provider_checks).
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.checks.patch import BODIES, METADATA_PARTS, OPTIONS
from fleetpatch.model.plan.checks.provider import check_kind, check_providers
from fleetpatch.model.providers.tables import PROVIDERS
from tests.plans import plan_from

KEYS = st.sampled_from(
    [
        "metadata",
        "labels",
        "annotations",
        "spec",
        "template",
        "status",
        "kind",
        "apiVersion",
        "$patch",
    ]
)
POINTERS = st.sampled_from(["", "/", "/spec", "/metadata/labels/a", "/metadata", "//", "/a~1b/~"])
LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "v1", "cci"]) | POINTERS
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OPERATIONS = st.dictionaries(st.sampled_from(["op", "path", "from", "value"]), ANYTHING)
PATCHES = st.dictionaries(
    st.sampled_from([*METADATA_PARTS, *BODIES, *OPTIONS]),
    ANYTHING | st.lists(OPERATIONS, max_size=3),
    max_size=3,
)
TREES = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "patch": PATCHES | ANYTHING,
        "fleet": st.lists(
            st.fixed_dictionaries({}, optional={"provider": ANYTHING, "auth": ANYTHING}) | ANYTHING,
            max_size=3,
        ),
        "targets": st.lists(
            st.fixed_dictionaries(
                {"kinds": st.lists(st.text("abj.v1", max_size=8) | ANYTHING, max_size=3)}
            ),
            max_size=3,
        ),
    },
)


@given(tree=TREES)
@settings(max_examples=200, deadline=None)
def test_any_tree_can_be_checked(tree: Any) -> None:
    list(check_providers(tree))
    for provider in PROVIDERS.values():
        for capability in provider.kinds:
            list(check_kind(tree, ("targets",), provider.name, capability.resource))
    # None of these trees is a whole plan.
    if isinstance(tree, dict):
        with pytest.raises(PlanError):
            plan_from(tree)
