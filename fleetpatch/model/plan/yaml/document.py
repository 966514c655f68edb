"""A plan file's text as a plain tree, with the line and column of each path in it."""

from collections.abc import Mapping
from typing import ClassVar, Final

from ruamel.yaml.error import YAMLError

from fleetpatch.model.fields import Json
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.plan.problems import (
    API_VERSION,
    Finding,
    Place,
    Problem,
    TreePath,
    show_path,
)
from fleetpatch.model.plan.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode, compose
from fleetpatch.model.plan.yaml.syntax import (
    UNCLEAR_BREAK,
    decode,
    describe,
    place_of,
    place_of_byte,
)

LARGEST: Final = 1024 * 1024
"""The maximum size of a plan file in bytes; a file of this size is read in a few seconds."""

MAX_NODES: Final = 100_000
"""The maximum number of values in a plan file with its aliases expanded.

Nested aliases multiply: a file of a few lines could expand to billions of values.
"""

_START: Final = Place(1, 1)


class Document(PartialRepr, frozen=True):
    """The content of a text: `tree` of dict, list, str, int, float, bool and None.

    `problems` are those of the text itself; if they leave no tree, `tree` is None. `root` is None
    then, and also if the tree was not read from a text. `names` has words by which problems call
    the values at these paths, such as an option (`-l`); they call others by their path.
    """

    _printed: ClassVar = ("file", "problems", "names")

    file: str
    root: Node | None
    tree: Json
    problems: tuple[Problem, ...] = ()
    names: Mapping[TreePath, str] = {}

    @property
    def is_unreadable(self) -> bool:
        """Whether there is no tree."""
        return self.tree is None

    def problem(self, finding: Finding) -> Problem:
        """Add the place to a finding: that of its value or key.

        If the path does not exist, it is the place of the innermost mapping or list that does.
        """
        what = f"{self._name(finding.path)}: {finding.what}" if finding.path else finding.what
        return Problem(self.file, what, self._place(finding) if self.root else None)

    def _name(self, path: TreePath) -> str:
        prefixes = (path[:length] for length in range(len(path), 0, -1))
        return next((self.names[one] for one in prefixes if one in self.names), show_path(path))

    def source(self, path: TreePath) -> str | None:
        """Return the scalar at `path` as it was written, without quotes, or None."""
        node = self.root
        for step in path:
            node = _step(node, step)
        return node.source if isinstance(node, ScalarNode) else None

    def _place(self, finding: Finding) -> Place:
        node, place = self.root, _START
        for depth, step in enumerate(finding.path, start=1):
            below = _step(node, step)
            if below is None:
                return place
            is_last = depth == len(finding.path)
            place = below.place
            # A section is placed at its key, where people look for it; the value that is wrong at
            # its own place.
            if isinstance(node, MappingNode) and isinstance(step, str):
                key_place = node.entries[step].key.place
                place = key_place if finding.of_key or not is_last else place
            node = below
        if isinstance(node, ScalarNode) and not finding.of_key:
            return _place_within(node, finding.offset) or place
        return place


def _place_within(node: ScalarNode, offset: int) -> Place | None:
    """Return the place of a character of a scalar's text, where it can be found."""
    if not offset:
        return None
    if node.text_at:
        return Place(node.text_at.line, node.text_at.column + offset)
    return node.written.place_of(node.source, offset) if node.written else None


def read(data: bytes, file: str) -> Document:
    """Read the bytes of a plan file; never raises, but reports problems in the result."""
    # Before decoding: a huge file must not be copied several times.
    if len(data) > LARGEST:
        return _unreadable(file, _START, f"the file has more than {LARGEST} bytes; split the plan")
    try:
        text = decode(data)
    except UnicodeDecodeError as error:
        return _unreadable(
            file, place_of_byte(error), "the file is not UTF-8 here; save it as UTF-8"
        )
    problems: list[Problem] = []
    # Readers that count lines differently also see different comments and values, so the file is
    # not read any further.
    if found := UNCLEAR_BREAK.search(text):
        escape = f"\\u{ord(found[0]):04x}"
        what = f'a line ends here for some readers of YAML; write "{escape}" in double quotes'
        return _unreadable(file, place_of(text, found.start()), what)
    try:
        root = compose(text, lambda place, what: problems.append(Problem(file, what, place)))
        tree = unfold(root) if root else None
    except YAMLError as error:
        return _unreadable(file, *describe(error, text))
    except ValueError as error:
        return _unreadable(file, _START, str(error))
    if isinstance(tree, dict):
        return Document(file, root, tree, tuple(problems))
    what = "a plan file is a mapping of keys" if root else "the file contains no plan"
    return _unreadable(file, _START, f"{what}; begin with 'apiVersion: {API_VERSION}'")


def _unreadable(file: str, place: Place, what: str) -> Document:
    return Document(file, None, None, (Problem(file, what, place),))


def _step(node: Node | None, step: str | int) -> Node | None:
    match node, step:
        case MappingNode(entries=entries), str() if step in entries:
            return entries[step].node
        case SequenceNode(items=items), int() if step < len(items):
            return items[step]
    return None


def unfold(root: Node) -> Json:
    """Expand the aliases. Raises ValueError if there are too many values."""
    count = 0

    def expand(node: Node) -> Json:
        nonlocal count
        count += 1
        if count > MAX_NODES:
            raise ValueError(f"the file contains more than {MAX_NODES} values; split it")
        match node:
            case ScalarNode(value=value):
                return value
            case SequenceNode(items=items):
                return [expand(item) for item in items]
            case MappingNode(entries=entries):
                return {key: expand(entry.node) for key, entry in entries.items()}

    return expand(root)
