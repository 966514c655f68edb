"""Our selector against a real API server, with generated selectors, labels and mutated texts.

Both must list the same objects, refuse the same texts, and accept the same labels. Left out: NUL
characters, at which the server stops reading, and which we refuse (see `label_selector`).
"""

import random
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fleetpatch.model.names import problem_of_label_key, problem_of_label_value
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.selectors.requirement import SelectorError
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.model.selectors import strategies
from tests.model.selectors.test_label_selector import ACCEPTED, REJECTED
from tests.model.test_names import BAD_KEYS, BAD_VALUES, GOOD_KEYS, GOOD_VALUES
from tests.server_versions import Expected

pytestmark = pytest.mark.control_plane

JOBS = JOB_KINDS["jobs.batch"]
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
T = TypeVar("T")


def drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Draw `count` different examples, the same in each run."""
    # A fixed seed, no database and no shrinking: the examples are only collected here, so that
    # one test can send all of them to one server.
    found: dict[str, T] = {}

    @seed(4711)
    @settings(
        max_examples=count * 2,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(strategy)
    def collect(example: T) -> None:
        found.setdefault(repr(example), example)

    collect()
    return list(found.values())[:count]


@pytest.fixture(scope="module")
def fleet(control_plane: ControlPlane) -> tuple[str, dict[str, dict[str, str]]]:
    """Create labelled jobs in a new namespace; return the namespace, and the labels by name."""
    chance = random.Random(4711)
    labels = [
        {key: chance.choice(strategies.VALUES) for key in strategies.KEYS if chance.random() < 0.6}
        for _ in range(40)
    ]
    namespace = control_plane.namespace()
    names = control_plane.create_jobs(40, namespace, JOBS, labels=labels.__getitem__)
    return namespace, dict(zip(names, labels, strict=True))


@pytest.fixture
def listed(
    control_plane: ControlPlane, fleet: tuple[str, dict[str, dict[str, str]]]
) -> Callable[[str], set[str] | None]:
    """Return the names that the server lists for a selector; None if it answers 400."""

    def by(text: str) -> set[str] | None:
        path = f"{JOBS.path(fleet[0])}?labelSelector={quote(text)}"
        response = control_plane.request("GET", path, headers={"Accept": METADATA})
        if response.status == 400:
            return None
        return {item["metadata"]["name"] for item in response.body["items"] or ()}

    return by


def matched(text: str, labels_of: dict[str, dict[str, str]]) -> set[str] | None:
    try:
        selector = Selector.parse(text)
    except SelectorError:
        return None
    return {name for name, labels in labels_of.items() if selector.matches(labels)}


def test_both_list_the_same_objects(
    fleet: tuple[str, dict[str, dict[str, str]]], listed: Callable[[str], set[str] | None]
) -> None:
    texts = [str(selector) for selector in drawn(strategies.selectors, 300)]

    differing = {text for text in texts if listed(text) != matched(text, fleet[1])}

    assert len(texts) == 300
    assert not differing


def test_both_accept_the_same_texts(
    fleet: tuple[str, dict[str, dict[str, str]]],
    listed: Callable[[str], set[str] | None],
    expected: Expected,
) -> None:
    generated = drawn(strategies.mutated() | strategies.texts, 300)
    texts = [text for text in (*ACCEPTED, *REJECTED, *generated) if "\x00" not in text]

    ours = {text: matched(text, fleet[1]) for text in texts if expected.parses_alike(text)}
    differing = {text for text, found in ours.items() if listed(text) != found}

    assert not differing
    # Enough of both kinds: agreement on texts of one kind would show little.
    assert sum(found is None for found in ours.values()) >= 100
    assert sum(found is not None for found in ours.values()) >= 50


@pytest.mark.parametrize("key", [*GOOD_KEYS, *BAD_KEYS])
def test_both_accept_the_same_label_keys(control_plane: ControlPlane, key: str) -> None:
    assert _accepts(control_plane, {key: "x"}) == (problem_of_label_key(key) is None)


@pytest.mark.parametrize("value", [*GOOD_VALUES, *BAD_VALUES])
def test_both_accept_the_same_label_values(control_plane: ControlPlane, value: str) -> None:
    assert _accepts(control_plane, {"key": value}) == (problem_of_label_value(value) is None)


def _accepts(control_plane: ControlPlane, labels: dict[str, str]) -> bool:
    """Return whether the server would create a job with these labels; nothing is stored."""
    path = f"{JOBS.path('default')}?dryRun=All"
    response = control_plane.request("POST", path, JOBS.manifest("dry", labels))
    assert response.status in {201, 422}
    return response.status == 201
