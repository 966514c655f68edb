"""Adds the pages outside of docs/ to the documentation site; a hook of mkdocs.

README.md becomes the start page. Links between pages are relative to the files of the repository;
they are rewritten for the site.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

_ROOT: Final = Path(__file__).parent.parent
_PAGES: Final = (
    *("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "LICENSE"),
    *("deploy/README.md", "deploy/dask/README.md"),
)
_link: Final = re.compile(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add README, the project's own pages and the worked plans."""
    added = {"index.md": "README.md"} | {page: page for page in _PAGES}
    added |= {str(path.relative_to(_ROOT)): str(path.relative_to(_ROOT)) for path in _plans()}
    for where, source in added.items():
        text = (_ROOT / source).read_text(encoding="utf-8")
        content = _rewritten(text, Path(source).parent) if source.endswith(".md") else text
        files.append(File.generated(config, where, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_more: Any) -> str:
    """Rewrite the links of pages in docs/ to files outside of it."""
    del page
    return markdown.replace("](../plans/", "](plans/").replace("](../deploy/", "](deploy/")


def _plans() -> list[Path]:
    return sorted((_ROOT / "plans").glob("*"))


def _rewritten(text: str, folder: Path) -> str:
    """Point the links of a page in `folder` to where the site has their targets."""

    def moved(match: re.Match[str]) -> str:
        target = (_ROOT / folder / match[1]).resolve().relative_to(_ROOT)
        place = "index.md" if str(target) == "README.md" else str(target).removeprefix("docs/")
        return f"]({os.path.relpath(place, folder)}{match[2] or ''})"

    return _link.sub(moved, text)
