"""Compile the expressions of a plan: syntax, names, functions and types, before a cluster is asked.

The CEL runtime is loaded only for a plan that has expressions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeGuard

from fleetpatch.model.computed import KEY, expressions_in
from fleetpatch.model.fields import Json, Path
from fleetpatch.model.plan.checks.patch import DOCUMENTS
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import mapping_at, sections

if TYPE_CHECKING:
    from fleetpatch.cel.expressions import Language

_INNER: Final = "optional_type<"
_WORDS: Final = {
    "INT": "a whole number",
    "UINT": "a whole number",
    "DOUBLE": "a number",
    "BOOL": "true or false",
    "NULL": "null",
    "STRING": "text",
    "BYTES": "bytes",
    "TIMESTAMP": "a timestamp",
    "DURATION": "a duration",
    "TYPE": "a type",
}
_TEXT: Final = frozenset({"STRING", "DYN", "NULL"})
_NOT_JSON: Final = frozenset({"BYTES", "TIMESTAMP", "DURATION", "TYPE"})
_METADATA: Final = ("labels", "annotations")

_Check = Callable[[str], str]


def check_expressions(tree: Json, tables: Mapping[str, Sequence[str] | None]) -> Iterator[Finding]:
    """Find mistakes in expressions; `tables` has the columns of each table, None if unknown."""
    variables = {
        name: text for name, text in mapping_at(tree, ("variables",)).items() if _is_text(text)
    }
    found = [*_wheres(tree), *_values(tree)]
    texts = [*((("variables", name), text) for name, text in variables.items())]
    first = next(iter([*texts, *((path, text) for path, text, _ in found)]), None)
    if first is None:
        return
    # Here and not at the top: plans without expressions do not load what compiles them.
    from fleetpatch.cel import runtime  # noqa: PLC0415
    from fleetpatch.cel.expressions import Language  # noqa: PLC0415

    if not runtime.is_installed():
        what = f"is an expression, and what evaluates it is not installed: {runtime.EXTRA}"
        yield Finding(first[0], what)
        return
    language = Language(variables, tables)
    for name, mistakes in language.mistakes.items():
        for one in mistakes:
            yield Finding(("variables", name), one.what, offset=one.offset)
    for path, text, problem_of_type in found:
        yield from _compiled(language, path, text, problem_of_type)


def _compiled(language: "Language", path: TreePath, text: str, check: _Check) -> Iterator[Finding]:
    type_, mistakes = language.checked(text)
    for one in mistakes:
        yield Finding(path, one.what, offset=one.offset)
    if not mistakes and (what := check(type_)):
        yield Finding(path, what)


def _is_text(value: Json) -> TypeGuard[str]:
    # Another type, or an empty text, is reported by its section.
    return isinstance(value, str) and bool(value)


def _wheres(tree: Json) -> Iterator[tuple[TreePath, str, _Check]]:
    for block in sections(tree, ("targets",)):
        text = mapping_at(tree, block).get("where")
        if _is_text(text):
            yield (*block, "where"), text, _of_where


def _values(tree: Json) -> Iterator[tuple[TreePath, str, _Check]]:
    patch = mapping_at(tree, ("patch",))
    for part in _METADATA:
        for key, value in mapping_at(patch, (part,)).items():
            for expression in expressions_in(value).values() if isinstance(value, dict) else ():
                yield ("patch", part, key, KEY), expression.text, _of_metadata
    for kind in DOCUMENTS:
        for path, expression in expressions_in(patch.get(kind)).items():
            steps = _tree_path(patch[kind], path)
            is_metadata = len(path) == 3 and path[0] == "metadata" and path[1] in _METADATA  # noqa: PLR2004 - metadata, labels, key
            check = _of_metadata if is_metadata else _of_body
            yield ("patch", kind, *steps, KEY), expression.text, check


def _tree_path(body: Json, path: Path) -> TreePath:
    """Return the path in the tree, where a position in a list is a number."""
    steps: list[str | int] = []
    for step in path:
        steps.append(int(step) if isinstance(body, list) else step)
        body = body[steps[-1]]
    return tuple(steps)


def _of_where(type_: str) -> str:
    if type_ == "BOOL":
        return ""
    if type_ == "DYN":
        return (
            "yields whatever the object has there, and must be true or false; compare it, as in"
            " '... == true'"
        )
    if type_.startswith(_INNER):
        return "yields an optional value, and must be true or false; write .orValue(false) after it"
    return f"yields {_named(type_)}, and must be true or false; compare it with something"


def _of_metadata(type_: str) -> str:
    inner = type_.removeprefix(_INNER).removesuffix(">")
    if inner in _TEXT:
        return ""
    return f"yields {_named(inner)}, and must yield text; write string(...) around it"


def _of_body(type_: str) -> str:
    inner = type_.removeprefix(_INNER).removesuffix(">")
    if _INNER in inner:
        return (
            f"yields {_named(inner)} with an optional value in it; write [?x] for [x], {{?key: x}}"
            " for {key: x}, or .orValue(...) after it"
        )
    if inner not in _NOT_JSON:
        return ""
    return f"yields {_named(inner)}, which JSON does not have; write string(...) around it"


def _named(type_: str) -> str:
    if type_.startswith("LIST"):
        return "a list"
    if type_.startswith("MAP"):
        return "a map"
    return _WORDS.get(type_, type_.lower())
