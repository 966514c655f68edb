"""Load a plan file, or values, into a checked `Plan`; the entry point for other folders.

All checks run, even if others have found something, and all problems are raised together, in the
order of the file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

from msgspec.structs import replace

from fleetpatch import files
from fleetpatch.errors import Placed, PlanError, UsageError
from fleetpatch.model.fields import Json
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.plan import digest
from fleetpatch.model.plan.beside import Folder
from fleetpatch.model.plan.checks.computed import check_computed, with_placeholders
from fleetpatch.model.plan.checks.documents import check_documents
from fleetpatch.model.plan.checks.expressions import check_expressions
from fleetpatch.model.plan.checks.fleet import check_fleet
from fleetpatch.model.plan.checks.keys import check_keys
from fleetpatch.model.plan.checks.moves import check_moves
from fleetpatch.model.plan.checks.operations import check_operations
from fleetpatch.model.plan.checks.patch import (
    check_existing,
    check_parts,
    check_sizes,
)
from fleetpatch.model.plan.checks.provider import (
    Discovered,
    Unresolved,
    check_clusters,
    check_providers,
    check_resolved,
)
from fleetpatch.model.plan.checks.sections import check_sections
from fleetpatch.model.plan.checks.values import check_encodable, check_plain
from fleetpatch.model.plan.objects import ObjectLists, ReadList
from fleetpatch.model.plan.problems import API_VERSION, Finding, Place, Problem, TreePath
from fleetpatch.model.plan.programs import check_program
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.section import as_tree, read_section
from fleetpatch.model.plan.tables.section import TablesRead
from fleetpatch.model.plan.tables.table import Table
from fleetpatch.model.plan.templates import template_warnings
from fleetpatch.model.plan.tree import mapping_at
from fleetpatch.model.plan.window import window_warnings
from fleetpatch.model.plan.yaml.document import Document, read

_NOWHERE: Final = Place(0, 0)

_CHECKS: Final = (
    check_fleet,
    check_sections,
    check_parts,
    check_moves,
    check_existing,
    check_documents,
    check_operations,
    check_keys,
    check_sizes,
)
"""The checks of the plan itself. What its providers accept is checked after them.

The order does not matter: every check accepts any tree, and problems are sorted by place.
"""


class PlanFile(PartialRepr, frozen=True):
    """A plan, with the file that it was read from."""

    _printed: ClassVar = ("file", "plan")

    file: str
    plan: Plan
    document: Document
    folder: str = ""
    """The folder of the file, an absolute path; empty for a plan that was not read from a file."""
    campaign: str = ""
    """What the runs are named after, if not after the plan."""
    tables: Mapping[str, Table] = {}
    """The rows of the plan's tables, by their names in expressions."""
    objects: Mapping[int, ReadList] = {}
    """The lists of objects, by the positions of their blocks in `plan.targets`."""

    @classmethod
    def of(cls, plan: Plan) -> "PlanFile":
        """Wrap a plan that was not read from a file; its files are in the working directory.

        Raises PlanError if they cannot be read.
        """
        name = f"plan {plan.name}"
        tree = as_tree(plan)
        beside = _FilesBeside(tree, Folder("", ""))
        document = Document(name, None, tree)
        if problems := [*_placed(document, beside.findings), *beside.problems]:
            raise PlanError(problems)
        return beside.added_to(cls(name, plan, document))

    @property
    def digest(self) -> str:
        """The digest of the plan's meaning; see `fleetpatch.model.plan.digest`."""
        return digest.digest(self.plan)

    def warnings(self, now: datetime) -> list[Problem]:
        """Return warnings about valid but unexpected values; `now` must have a time zone."""
        window = self.plan.window
        found = [
            *(window_warnings(window, now) if window else ()),
            *template_warnings(self.plan.patch.annotations),
        ]
        placed = [self.document.problem(finding) for finding in found]
        return [replace(one, what=f"warning: {one.what}") for one in placed]

    def refuse_unsupported(
        self,
        clusters: Iterable[Discovered],
        unresolved: Iterable[Unresolved] = (),
        *,
        dry_run: bool,
    ) -> None:
        """Raise PlanError if a cluster does not take the plan, or (`dry_run`) has no dry run.

        `unresolved` has the names of kinds that the clusters do not resolve.
        """
        tree = with_placeholders(self.document.tree)
        findings = [
            *check_resolved(tree, unresolved),
            *check_clusters(tree, clusters, dry_run=dry_run),
        ]
        self.refuse(findings)

    def refuse(self, findings: Iterable[Finding], error: type[PlanError] = PlanError) -> None:
        """Raise `error` with the findings and their places, if there are any."""
        if problems := _placed(self.document, findings):
            raise error(problems)


def load_plan(path: str | Path) -> PlanFile:
    """Read and check a plan file.

    Raises PlanError with all problems, or UsageError if the file cannot be read.
    """
    # Read as bytes: the decoder reports the place of bytes that are not UTF-8.
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory; name a plan file in it") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no such plan file; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: the plan file cannot be read: {reason}") from error
    return _checked(read(data, str(path)), _folder(Path(path)))


def _folder(path: Path) -> str:
    """Return the folder from which the programs of a plan file are looked up."""
    # A pipe, such as that of `plan <(template)`, lies in no folder of the plan.
    if not files.is_regular(path):
        return str(Path.cwd())
    # Not resolved: what lies beside a link to the plan is meant.
    return str(path.absolute().parent)


def parse_plan(text: str | bytes, file: str) -> PlanFile:
    """Check the text of a plan file; `file` is its name in problems. Raises PlanError."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _checked(read(data, file))


def plan_file_from(
    mapping: Mapping[str, Json], source: str, names: Mapping[TreePath, str]
) -> PlanFile:
    """Check a plan given as values with the file's keys; `apiVersion` and `kind` may be missing.

    Raises PlanError, whose problems name `source` instead of a place. `names` has the words for
    values that people gave in another form, by their path in the plan.
    """
    tree = {"apiVersion": API_VERSION, "kind": "Plan", **mapping}
    return _checked(Document(source, None, tree, names=names))


def _checked(document: Document, folder: str = "") -> PlanFile:
    """Check a plan; the program of its check is looked up only if its `folder` is known."""
    # Without a tree the other checks would only find that everything is missing.
    if document.is_unreadable:
        raise PlanError(document.problems)
    plan, findings = read_section(Plan, document.tree, document.source)
    literal = with_placeholders(document.tree)
    findings += tuple(found for check in _CHECKS for found in check(literal))
    findings += tuple(check_computed(document.tree))
    findings += tuple(check_program(document.tree, folder)) if folder else ()
    beside = _FilesBeside(document.tree, Folder(folder, document.file if folder else ""))
    findings += beside.findings
    findings += tuple(check_expressions(document.tree, beside.columns))
    # One finding per place: the section's message is the more precise one.
    wrong = {finding.path for finding in findings}
    written = (*check_plain(document.root), *check_encodable(document.tree))
    findings += tuple(one for one in written if one.path not in wrong)
    # After the others: what a provider does not accept may follow from another mistake.
    findings += tuple(_unless_reported(check_providers(literal), findings))
    problems = [*_placed(document, findings), *beside.problems]
    if plan is None or problems:
        raise PlanError(problems)
    return beside.added_to(PlanFile(document.file, plan, document, folder))


class _FilesBeside:
    """The files beside a plan, and what is wrong with them."""

    def __init__(self, tree: Json, folder: Folder) -> None:
        self._tables = TablesRead(tree, folder)
        self._names = tuple(mapping_at(tree, ("tables",)))
        self._objects = ObjectLists(tree, folder)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Mistakes in the plan."""
        return (*self._tables.findings, *self._objects.findings)

    @property
    def columns(self) -> dict[str, Sequence[str] | None]:
        """The columns of each table of the plan; None for one that cannot be read."""
        read = self._tables.tables
        return {name: read[name].columns if name in read else None for name in self._names}

    @property
    def problems(self) -> tuple[Placed, ...]:
        """Mistakes in the files."""
        return (*self._tables.problems, *self._objects.problems)

    def added_to(self, source: PlanFile) -> PlanFile:
        """Add the contents of the files, and their digests to the plan."""
        plan = source.plan
        if not (plan.tables or self._objects.lists):
            return source
        tables = {
            name: replace(table, digest=self._tables.digests[name])
            for name, table in plan.tables.items()
        }
        digests = self._objects.digests
        blocks = tuple(
            block.with_digest(digests[position]) if position in digests else block
            for position, block in enumerate(plan.targets)
        )
        plan = replace(plan, tables=tables, targets=blocks)
        lists = self._objects.lists
        return replace(source, plan=plan, tables=self._tables.tables, objects=lists)


def _unless_reported(found: Iterable[Finding], reported: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out findings at or below a place that has one already: they may follow from it."""
    wrong = {finding.path for finding in reported}
    for finding in found:
        if not any(finding.path[:length] in wrong for length in range(1, len(finding.path) + 1)):
            yield finding


def _placed(document: Document, findings: Iterable[Finding]) -> list[Problem]:
    """Return all problems in order.

    At a place where the text itself is wrong, other findings are left out: they follow from it.
    """
    places = {problem.place for problem in document.problems}
    found = {document.problem(finding) for finding in findings}
    kept = {problem for problem in found if problem.place is None or problem.place not in places}
    return sorted({*document.problems, *kept}, key=_order)


def _order(problem: Problem) -> tuple[Place, str]:
    return problem.place or _NOWHERE, problem.what
