"""The digest of a run: what it covers, and what does not change it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from fleetpatch.journal.run_digest import run_digest
from fleetpatch.model.fields import ABSENT, label
from fleetpatch.model.ports import Draft
from fleetpatch.model.run import RunInfo
from tests.journal.makers import NORTH, SOUTH, TFJOBS, draft, info, make, many

BEFORE = {label("team"): "a", label("cost-centre"): ABSENT}


Digest: TypeAlias = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path) -> Digest:
    """Return the digest of a run with these drafts."""
    made = iter(range(100))

    def digest_of(drafts: list[Draft], run: RunInfo | None = None) -> str:
        with make(tmp_path / f"{next(made)}.run", drafts, run) as opened:
            return run_digest(opened)

    return digest_of


def test_neither_the_order_of_the_list_nor_of_the_keys_changes_it(digest: Digest) -> None:
    drafts = [*many(5), draft("a", resource=TFJOBS), draft("b", cluster="south", before=BEFORE)]
    turned = dict(reversed(BEFORE.items()))
    others = [draft("b", cluster="south", before=turned), draft("a", resource=TFJOBS), *many(5)]

    assert digest(drafts) == digest(drafts[::-1]) == digest(others)


def test_what_does_not_concern_the_targets_does_not_change_it(digest: Digest) -> None:
    later = replace(info("relabel-20270101T0000Z-000001"), created_by="bob@desk")
    renamed = replace(later, clusters=(replace(NORTH, context="other"), SOUTH))

    found = {
        digest([draft("a", version=version)], run) for version in "78" for run in (None, renamed)
    }

    assert len(found) == 1


def test_a_plan_a_server_a_target_or_a_value_changes_it(digest: Digest) -> None:
    moved = replace(NORTH, server="https://elsewhere.example:6443")
    proxied = replace(NORTH, route="proxy https://p.example")
    found = [
        digest([draft("a")]),
        digest([draft("a")], replace(info(), plan_digest="sha256:1")),
        digest([draft("a")], replace(info(), clusters=(moved, SOUTH))),
        digest([draft("a")], replace(info(), clusters=(proxied, SOUTH))),
        digest([draft("a"), draft("b")]),
        digest([draft("b")]),
        digest([draft("a", uid="another")]),
        digest([draft("a", namespace="team-b")]),
        digest([draft("a", cluster="south")]),
        digest([draft("a", resource=TFJOBS)]),
        digest([draft("a", before={**BEFORE, label("team"): "b"})]),
        digest([draft("a", before={**BEFORE, label("team"): ABSENT})]),
        digest([draft("a", before={**BEFORE, label("team"): None})]),
    ]
    assert len(set(found)) == len(found)
