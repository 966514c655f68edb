"""A cluster that stops to answer while it is listed, with waits that take no time.

Covered: `guards.onUnreachable` in the middle of a survey. Left out: clusters that never answer
(tests/cli/test_unreachable_clusters.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch import Settings, expand
from fleetpatch.errors import UnreachableError
from fleetpatch.journal.runs.catalog import run_files
from tests.e2e.sandboxes import joined_kubeconfig, sandbox
from tests.e2e.tool import Tool
from tests.kube.peers import VirtualClock
from tests.plans import plan_from

BROKEN = {"rules": [{"action": "reset", "methods": ["LIST"]}]}
NAMES = ("whole", "broken")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """Two clusters; the second one answers all but lists."""
    tools = [Tool(tmp_path / name, tmp_path / name / "kubeconfig") for name in NAMES]
    for tool in tools:
        tool.folder.mkdir()
    with sandbox(tools[0], jobs=40) as whole, sandbox(tools[1], jobs=40, chaos=BROKEN) as broken:
        config = joined_kubeconfig({"whole": whole.kubeconfig, "broken": broken.kubeconfig})
        (tmp_path / "both").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "both"))
        yield [{"name": name, "context": name} for name in NAMES]


async def test_a_cluster_that_is_lost_while_it_is_listed_is_left_out(
    fleet: list[dict[str, str]], tmp_path: Path
) -> None:
    summary = await expand(
        a_plan(fleet, onUnreachable="skip"), Settings(tmp_path / "state", clock=VirtualClock())
    )

    assert list(summary.info.missing) == ["broken"]
    assert "gave up after" in summary.info.missing["broken"]
    assert summary.by_cluster["whole"].open == summary.tally.total == 8
    assert summary.by_cluster["broken"].total == 0


async def test_by_default_it_ends_the_survey_and_leaves_no_run(
    fleet: list[dict[str, str]], tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "state", clock=VirtualClock())

    with pytest.raises(UnreachableError, match=r"cluster broken .*onUnreachable: skip"):
        await expand(a_plan(fleet), settings)

    assert list(run_files(settings.runs)) == []


def a_plan(fleet: list[dict[str, str]], **guards: str) -> Any:
    return plan_from(
        {
            "metadata": {"name": "x"},
            "fleet": fleet,
            "targets": [{"kinds": ["jobs.batch"], "selector": "app"}],
            "patch": {"labels": {"a": "b"}},
            "guards": guards,
        }
    )
