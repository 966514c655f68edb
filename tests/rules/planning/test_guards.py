"""The guards that refuse a plan. Covered: each refusal, each override, and their messages."""

import pytest

from fleetpatch.errors import Exit, PlanError, Refused, UnselectiveError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.schema import Plan
from fleetpatch.rules.planning.guards import (
    find_unselective,
    refuse_clashes,
    refuse_none,
    refuse_too_many,
)
from tests.plans import plan_from


def plan_of(*blocks: dict[str, Json]) -> Plan:
    return plan_from(
        {
            "metadata": {"name": "x"},
            "targets": [{"kinds": ["jobs.batch"], **block} for block in blocks],
            "patch": {"labels": {"a": "b"}},
        }
    )


def test_an_empty_selector_is_refused_and_its_block_named() -> None:
    (found,) = find_unselective(plan_of({"selector": "app=etl"}, {}).targets)

    assert found.path == ("targets", 1, "selector")
    assert "--all" in found.what


@pytest.mark.parametrize(
    ("block", "is_enough"),
    [
        ({"selector": "app=etl"}, True),
        ({"fieldSelector": "metadata.name=x"}, True),
        ({"fieldSelector": "status.successful!=1"}, True),
        ({"selector": "app", "fieldSelector": "metadata.name=x"}, True),
        ({"names": ["etl-7"]}, True),
        ({"objects": ["a/etl-7"]}, True),
        ({"where": "object.metadata.name != 'x'"}, True),
        ({}, False),
        ({"selector": "", "fieldSelector": ""}, False),
        ({"namespaces": ["a"]}, False),
    ],
)
def test_what_names_or_filters_objects_counts_as_a_selector(
    block: dict[str, Json], is_enough: bool
) -> None:
    plan = plan_of(block)

    found = list(find_unselective(plan.targets))

    assert (not found) is is_enough
    assert all("add a selector or a field" in one.what for one in found)


def test_the_error_about_empty_selectors_is_a_refusal_and_has_places() -> None:
    error = UnselectiveError([])

    assert isinstance(error, Refused)
    assert isinstance(error, PlanError)
    assert error.exit_code is Exit.USAGE


def test_one_more_than_max_targets_is_refused_with_both_counts() -> None:
    refuse_too_many(5, 5)
    refuse_too_many(5, None)
    with pytest.raises(Refused, match=r"6 found.*5 allowed.*guards\.maxTargets"):
        refuse_too_many(6, 5)


def test_an_empty_match_is_refused_and_names_the_places() -> None:
    refuse_none(1, [])
    with pytest.raises(Refused, match=r"jobs\.batch in team-a, tfjobs in team-b"):
        refuse_none(0, ["jobs.batch in team-a", "tfjobs in team-b"])
    with pytest.raises(Refused, match="no namespace matches"):
        refuse_none(0, [])


def test_clashes_are_refused_with_their_number_and_an_example() -> None:
    refuse_clashes(0, "")
    with pytest.raises(Refused, match=r"^2 of .*\(jobs\.batch n/a: why\).*guards\.onClash: skip"):
        refuse_clashes(2, "jobs.batch n/a: why")
