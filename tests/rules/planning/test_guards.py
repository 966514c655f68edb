"""The guards that refuse a plan. Covered: each refusal, each override, and their messages."""

from contextlib import nullcontext

import pytest

from fleetpatch.errors import Exit, Refused
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.load import plan_from
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.rules.planning.guards import (
    refuse_clashes,
    refuse_none,
    refuse_too_many,
    refuse_unselective,
)

SOME, ALL = Selector.parse("app=etl"), Selector.parse("")


def test_an_empty_selector_is_refused_and_its_block_named() -> None:
    with pytest.raises(Refused, match=r"targets\[1\].*--all") as refused:
        refuse_unselective([SOME, ALL], everything=False)

    assert refused.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("block", "is_enough"),
    [
        ({"selector": "app=etl"}, True),
        ({"fieldSelector": "metadata.name=x"}, True),
        ({"fieldSelector": "status.successful!=1"}, True),
        ({"selector": "app", "fieldSelector": "metadata.name=x"}, True),
        ({}, False),
        ({"selector": "", "fieldSelector": ""}, False),
        ({"namespaces": ["a"]}, False),
    ],
)
def test_a_field_selector_counts_as_a_selector(block: dict[str, Json], is_enough: bool) -> None:
    plan = plan_from(
        {
            "metadata": {"name": "x"},
            "targets": [{"kinds": ["jobs.batch"], **block}],
            "patch": {"labels": {"a": "b"}},
        }
    )

    with nullcontext() if is_enough else pytest.raises(Refused, match="add a selector or a field"):
        refuse_unselective([block.narrowing for block in plan.targets], everything=False)


def test_the_option_all_allows_an_empty_selector() -> None:
    refuse_unselective([SOME, ALL], everything=True)
    refuse_unselective([SOME], everything=False)


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
