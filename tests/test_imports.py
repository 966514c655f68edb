"""The import graph of the package, which import-linter's layers do not cover in full.

Covered: no circle among modules, by the imports that run when a module is loaded.
Left out: who may import whom (`make floors`).
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import fleetpatch

ROOT = Path(fleetpatch.__file__).parent


def test_no_module_imports_itself_through_others() -> None:
    modules = {_name(file): file for file in ROOT.rglob("*.py")}
    graph = {name: modules.keys() & set(_imported(file)) for name, file in modules.items()}

    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None

    assert set(order) == modules.keys()


def test_no_docstring_contains_half_a_surrogate_pair() -> None:
    # Python 3.13 cannot compile such a module: it strips docstrings as UTF-8. A raw one is right.
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node, clean=False) or ""
                assert docstring == docstring.encode(errors="replace").decode(), file


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imported(file: Path) -> Iterator[str]:
    """Name what the module imports at its top level, modules of packages included."""
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
