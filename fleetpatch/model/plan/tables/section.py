"""The plan's `tables`: files beside the plan whose rows its expressions look up.

The loader reads them once and adds the digest of each file's content to the plan, so that another
content is another plan. A run does not need the files: what an expression yields is kept in it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, TypeAlias

from fleetpatch.errors import Placed, PlanError
from fleetpatch.model.fields import Json
from fleetpatch.model.names import show
from fleetpatch.model.plan.beside import FileBeside, Folder, problem_of_digest
from fleetpatch.model.plan.field_types import ContentDigest, NonEmptyText, text_type
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.section import Section
from fleetpatch.model.plan.tables.read import FORMATS, LARGEST, is_table, read_table
from fleetpatch.model.plan.tables.table import Table
from fleetpatch.model.plan.tree import mapping_at

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED: Final = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import"),
        *("in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void"),
        "while",
    }
)
"""Words that an expression cannot use as a name (CEL's language definition, "Syntax")."""


def _problem_of_identifier(name: str) -> str | None:
    if not _IDENTIFIER.fullmatch(name):
        return (
            f"{show(name)} is not a valid name in an expression; use letters, digits and '_',"
            " and no digit in front"
        )
    if name in _RESERVED:
        return f"{show(name)} is a word of the expression language; use another name"
    return None


def _problem_of_file(file: str) -> str | None:
    if is_table(file):
        return None
    return f"must end with {', '.join(FORMATS)}, which says what the file contains"


Identifier: TypeAlias = Annotated[
    str, text_type(_problem_of_identifier, pattern=f"^{_IDENTIFIER.pattern}$")
]
"""A name that expressions use after a dot: `tables.costs`."""


class TableSection(Section, frozen=True, kw_only=True):
    """A table of rows that expressions find by a key: `tables.costs["etl"].centre`."""

    file: Annotated[str, text_type(_problem_of_file)]
    """A csv, json or yaml file; a relative path begins at the plan file's folder."""
    key: NonEmptyText
    """The column by which rows are found; no two rows have the same text in it."""
    digest: ContentDigest | None = None
    """The digest that the file must have, sha256:... Absent: any content."""


class TablesRead:
    """The tables of a plan, and what is wrong with them.

    `findings` are mistakes in the plan, `problems` those in the files. `digests` has the digest of
    each file that was read.
    """

    def __init__(self, tree: Json, folder: Folder) -> None:
        self.tables: dict[str, Table] = {}
        self.digests: dict[str, str] = {}
        self.findings: list[Finding] = []
        self.problems: list[Placed] = []
        for name, section in mapping_at(tree, ("tables",)).items():
            match section:
                # Custom types are reported by its section.
                case {"file": str(file), "key": str(key)} if key and is_table(file):
                    self.findings += self._read(name, file, key, section, folder)

    def _read(
        self, name: str, file: str, key: str, section: Mapping[str, Json], folder: Folder
    ) -> Iterator[Finding]:
        match folder.read(file, LARGEST):
            case str(what):
                yield Finding(("tables", name, "file"), what)
            case FileBeside() as beside:
                if what := problem_of_digest(section.get("digest"), beside):
                    yield Finding(("tables", name, "digest"), what)
                self.digests[name] = beside.digest
                try:
                    self.tables[name] = read_table(beside.content, beside.shown, key)
                except PlanError as error:
                    self.problems += error.problems
