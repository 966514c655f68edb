"""Paths in the documentation: each module and test that a page names exists.

Covered: `folder/module`, with or without `.py`, below fleetpatch/, and `tests/...`, in pages that
lead readers through the code. Left out: links between pages, which the documentation site checks.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["docs/architecture.md", "docs/decisions/trust.md", "CONTRIBUTING.md", "docs/testing.md"]
FOLDERS = "campaign|cli|engine|journal|kube|model|report|rules|sandbox"
PATHS = re.compile(rf"(?<![\w./-])((?:tests|fleetpatch|{FOLDERS})(?:/\w+)+(?:\.py)?)(?![\w/])")


def exists(path: str) -> bool:
    base = ROOT if path.startswith(("tests/", "fleetpatch/")) else ROOT / "fleetpatch"
    stem = base / path.removesuffix(".py")
    return stem.is_dir() or stem.with_suffix(".py").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_a_page_names_exists(page: str) -> None:
    named = set(PATHS.findall((ROOT / page).read_text(encoding="utf-8")))

    assert named
    assert sorted(path for path in named if not exists(path)) == []
