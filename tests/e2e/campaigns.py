"""A whole campaign, checked by reading the server: plan, apply, apply again, undo.

The expected result is computed from the objects before, by a function of the test, and compared
with all objects of the server, including those that the plan must not change.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.cli.calling import Caller, Ended

Object: TypeAlias = dict[str, Any]
"""An object as a server shows it."""

Objects: TypeAlias = dict[Any, Any]
"""Objects as a server shows them, by key."""

_SERVERS_OWN = ("resourceVersion", "managedFields", "generation")


def labels(one: Object) -> dict[str, str]:
    """Return the labels of an object, to be changed in place."""
    found: dict[str, str] = one["metadata"].setdefault("labels", {})
    return found


def annotations(one: Object) -> dict[str, str]:
    """Return the annotations of an object, to be changed in place."""
    found: dict[str, str] = one["metadata"].setdefault("annotations", {})
    return found


def there_and_back(
    call: Caller,
    file: Path,
    read: Callable[[], Objects],
    change: Callable[[Objects], None],
) -> Any:
    """Carry a plan out and undo it; `change` makes the planned change in place.

    Returns the output of `apply -o json`.
    """
    before = read()
    expected = deepcopy(plain(before))
    change(expected)
    changed = differing(plain(before), expected)
    assert changed, "the plan would change nothing here, and the test show nothing"

    planned = call("plan", file, "-o", "json")
    assert planned.code == 0, planned.err
    assert planned.json["outcomes"]["pending"] == len(changed)
    assert read() == before, "a plan changes nothing"

    applied = call("apply", file, "--yes", "-o", "json")
    assert ends_well(applied, len(changed))
    after = read()
    _same(plain(after), expected)

    again = call("apply", file, "--yes", "-o", "json")
    assert ends_well(again, 0)
    assert again.json["requests"]["patch"] == 0
    assert read() == after, "nothing was left to do"

    undone = call("undo", applied.json["run"], "--yes", "-o", "json")
    assert ends_well(undone, len(changed))
    _same(plain(read()), plain(before))
    return applied.json


def ends_well(ended: Ended, applied: int) -> bool:
    """Return whether a run ended with `applied` targets applied, and none failed or pending."""
    assert ended.code == 0, ended.err + ended.out
    counts = ended.json["outcomes"]
    assert (counts["applied"], counts["failed"], counts["pending"]) == (applied, 0, 0), counts
    return True


def plain(objects: Mapping[Any, Any]) -> Objects:
    """Return copies without fields of the server's own, and without empty maps of labels."""
    return {
        key: one | {"metadata": _plain_metadata(one["metadata"])} for key, one in objects.items()
    }


def _plain_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {field: value for field, value in metadata.items() if field not in _SERVERS_OWN}
    for field in ("labels", "annotations"):
        if not kept.get(field):
            kept.pop(field, None)
    return kept


def differing(before: Objects, after: Objects) -> list[Any]:
    """Return the keys of the objects that differ."""
    return [key for key, one in after.items() if before[key] != one]


def _same(found: Objects, expected: Objects) -> None:
    """Check that two views of a server are the same, and show the first object that is not."""
    assert found.keys() == expected.keys()
    for key in differing(expected, found)[:1]:
        pytest.fail(f"{key} is {found[key]}, and was to be {expected[key]}", pytrace=False)
