"""Which namespaces a target block selects. Covered: `exact` and `select`."""

import pytest

from fleetpatch.rules.planning.namespaces import exact, select

NAMES = ["kube-system", "team-a", "team-b", "team-legacy"]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], NAMES),
        (["team-*"], ["team-a", "team-b", "team-legacy"]),
        (["team-*", "!team-legacy"], ["team-a", "team-b"]),
        (["!team-legacy", "team-*"], ["team-a", "team-b"]),
        (["!kube-*"], ["team-a", "team-b", "team-legacy"]),
        (["team-[ab]", "kube-system"], ["kube-system", "team-a", "team-b"]),
        (["team-?"], ["team-a", "team-b"]),
        (["team-a", "team-a"], ["team-a"]),
        (["absent"], []),
        (["*", "!*"], []),
    ],
)
def test_patterns_select_namespaces(patterns: list[str], names: list[str]) -> None:
    assert select(patterns, reversed(NAMES)) == tuple(names)


def test_plain_names_do_not_need_a_list_of_namespaces() -> None:
    assert exact(["team-b", "team-a", "team-b"]) == ("team-a", "team-b")


@pytest.mark.parametrize("patterns", [[], ["team-*"], ["a", "!b"], ["team-?"], ["team-[ab]"]])
def test_globs_and_exclusions_need_a_list_of_namespaces(patterns: list[str]) -> None:
    assert exact(patterns) is None
