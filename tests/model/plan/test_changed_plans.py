"""Plans with arbitrary changes are read, or refused with problems, and never end otherwise.

Covered: values of other types, keys that are removed, added and renamed, anywhere in valid plans.
Left out: what each problem says (test_plan_mistakes.py and its neighbours).
"""

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.digest import canonical, restore
from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.plan.problems import TreePath
from fleetpatch.model.plan.yaml.document import read
from tests.model.plans import VALID

TREES: Final = [read(text.encode(), "plan.yaml").tree for text in VALID]
VALUES: Final[tuple[Json, ...]] = (
    *(None, True, 0, 1, -1, 3.5, 10**30, "", "a", "30s", "0s", "10%", "100/s", "app=etl", "a b"),
    *("app in (", "2026-12-24", "* * * * *", "skip", "cci", "ns/name", "${x}", "nope*", "ü\n"),
    *([], ["a"], [None], [1], [[]], [{}], {}, {"a": "b"}, {"cel": "x"}, {"cel": 1}, {"file": "x"}),
)
KEYS: Final = ("name", "kinds", "selectr", "password", "env", "onDrift", "json", "any", "", "a/b")


def paths(tree: Any, path: TreePath = ()) -> Iterator[TreePath]:
    yield path
    match tree:
        case dict():
            for key, value in tree.items():
                yield from paths(value, (*path, key))
        case list():
            for position, value in enumerate(tree):
                yield from paths(value, (*path, position))


def change(tree: Any, choose: random.Random) -> None:
    """Replace, remove, add or rename something in a tree."""
    *above, last = choose.choice([path for path in paths(tree) if path])
    for step in above:
        tree = tree[step]
    value = deepcopy(choose.choice(VALUES))
    match choose.randrange(4):
        case 0:
            del tree[last]
        case 1 if isinstance(tree[last], dict):
            tree[last][choose.choice(KEYS)] = value
        case 2 if isinstance(tree, dict):
            tree[choose.choice(KEYS)] = tree.pop(last)
        case _:
            tree[last] = value


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_plan_is_read_or_refused(seed: int) -> None:
    choose, read_again = random.Random(seed), 0
    for _ in range(100):
        tree = deepcopy(choose.choice(TREES))
        for _ in range(choose.choice((1, 1, 2, 5))):
            change(tree, choose)
        with suppress(PlanError):
            plan = parse_plan(json.dumps(tree), "plan.yaml").plan
            assert restore(canonical(plan)) == plan
            read_again += 1

    assert 0 < read_again < 50
