"""Rows of a yaml file: a list of mappings with the same keys, which are the columns."""

from collections.abc import Callable
from typing import Final

from ruamel.yaml.error import YAMLError

from fleetpatch.model.plan.problems import Place
from fleetpatch.model.plan.tables.json_rows import difference
from fleetpatch.model.plan.tables.table import Rows
from fleetpatch.model.plan.yaml.document import LARGEST, unfold
from fleetpatch.model.plan.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode, compose
from fleetpatch.model.plan.yaml.scalars import ambiguity
from fleetpatch.model.plan.yaml.syntax import UNCLEAR_BREAK, describe, place_of

_NO_LIST: Final = "a table is a list of rows: - {team: etl, centre: '4711'}"


def read_yaml(text: str, rows: Rows) -> None:
    """Add the rows of `text` to `rows`."""
    # YAML is read by a slow, strict reader, as a plan file is.
    if len(text) > LARGEST:
        rows.report(
            Place(1, 1), f"a yaml table has at most {LARGEST} bytes; save it as csv or json"
        )
        return
    if found := UNCLEAR_BREAK.search(text):
        escape = f"\\u{ord(found[0]):04x}"
        what = f'a line ends here for some readers of YAML; write "{escape}" in double quotes'
        rows.report(place_of(text, found.start()), what)
        return
    try:
        root = compose(text, rows.report)
        _add_all(root, rows)
    except YAMLError as error:
        rows.report(*describe(error, text))
    except ValueError as error:
        rows.report(Place(1, 1), str(error))


def _add_all(root: Node | None, rows: Rows) -> None:
    if root is None:
        return
    if not isinstance(root, SequenceNode):
        rows.report(root.place, _NO_LIST)
        return
    # Aliases multiply, so the values of all rows are counted together.
    values = unfold(root)
    for node, row in zip(root.items, values, strict=True):
        if not isinstance(node, MappingNode):
            rows.report(node.place, f"a row is a mapping of columns to values; {_NO_LIST}")
            continue
        if not rows.columns and not rows.begin(list(row), node.place):
            return
        if what := difference(row, rows.columns):
            rows.report(node.place, what)
            continue
        _find_ambiguous(node, rows.report)
        rows.add([row[column] for column in rows.columns], node.place)


def _find_ambiguous(node: Node, report: Callable[[Place, str], None]) -> None:
    """Report plain text that readers of YAML read differently."""
    match node:
        case ScalarNode(is_plain=True) if what := ambiguity(node.source):
            report(node.place, what)
        case SequenceNode(items=items):
            for item in items:
                _find_ambiguous(item, report)
        case MappingNode(entries=entries):
            for entry in entries.values():
                _find_ambiguous(entry.node, report)
        case _:
            pass
