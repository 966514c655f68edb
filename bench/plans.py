"""Writes plan files for fleetpatch, and builds its command line."""

import sys
from compileall import compile_dir
from functools import cache
from pathlib import Path

import fleetpatch as package

CONCURRENCY = 64
_PLAN = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {{name: bench}}
targets:
  - kinds: [{kinds}]
    selector: {selector}
patch:
  labels: {{{key}: "{value}"}}
pace: {{concurrency: {concurrency}}}
"""


def write_plan(path: Path, *, kinds: str, selector: str, label: str) -> Path:
    """Write a plan that sets `label` (KEY=VALUE), with 64 requests in flight and no rate."""
    key, _, value = label.partition("=")
    text = _PLAN.format(
        kinds=kinds, selector=selector, key=key, value=value, concurrency=CONCURRENCY
    )
    path.write_text(text)
    return path


def fleetpatch(*words: str | Path) -> list[str]:
    """Return the command line that runs fleetpatch with this interpreter.

    Its modules are compiled first, as they are in an installed package. In a checkout, with
    PYTHONDONTWRITEBYTECODE set, each start would compile them again.
    """
    _compile()
    return [sys.executable, "-m", "fleetpatch", *map(str, words)]


@cache
def _compile() -> None:
    compile_dir(Path(package.__file__).parent, quiet=1)
