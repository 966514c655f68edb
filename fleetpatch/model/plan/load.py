"""From a plan file, or from values, to a checked `Plan`: what other folders use.

All checks run, whatever the others found, and all problems are raised together, in the file's
order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from fleetpatch.errors import PlanError, UsageError
from fleetpatch.model.fields import Json
from fleetpatch.model.plan import digest
from fleetpatch.model.plan.checks.documents import check_documents
from fleetpatch.model.plan.checks.fleet import check_fleet
from fleetpatch.model.plan.checks.keys import check_keys
from fleetpatch.model.plan.checks.operations import check_operations
from fleetpatch.model.plan.checks.patch import check_labels, check_parts, check_sizes
from fleetpatch.model.plan.checks.provider import Discovered, check_clusters, check_providers
from fleetpatch.model.plan.checks.sections import check_sections
from fleetpatch.model.plan.checks.values import check_encodable, check_plain
from fleetpatch.model.plan.problems import API_VERSION, Finding, Place, Problem
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.shape import check_shape
from fleetpatch.model.plan.window import window_warnings
from fleetpatch.model.plan.yaml.document import Document, read

_NOWHERE: Final = Place(0, 0)

_CHECKS: Final = (
    check_fleet,
    check_sections,
    check_parts,
    check_labels,
    check_documents,
    check_operations,
    check_keys,
    check_sizes,
)
"""What is asked of a plan itself; what its providers take is asked after that."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan and where it was read from."""

    file: str
    plan: Plan
    document: Document = field(repr=False, compare=False)

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Stand for the file of a plan that was made of values."""
        name = f"plan {plan.name}"
        tree = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return cls(name, plan, Document(name, None, tree))

    @property
    def digest(self) -> str:
        """The digest of the plan's meaning; see `fleetpatch.model.plan.digest`."""
        return digest.digest(self.plan)

    def warnings(self, now: datetime) -> list[Problem]:
        """Give what is valid and may surprise, each in its place; `now` knows its time zone."""
        window = self.plan.window
        found = window_warnings(window, now) if window else ()
        told = [self.document.problem(finding) for finding in found]
        return [replace(one, what=f"warning: {one.what}") for one in told]

    def refuse_unsupported(self, clusters: Iterable[Discovered], *, dry_run: bool) -> None:
        """Raise PlanError where a cluster does not take the plan, or (`dry_run`) has no dry run."""
        self.refuse(check_clusters(self.document.tree, clusters, dry_run=dry_run))

    def refuse(self, findings: Iterable[Finding]) -> None:
        """Raise PlanError with the findings, each in its place, if there are any."""
        if problems := _placed(self.document, findings):
            raise PlanError(problems)


def load_plan(path: str | Path) -> PlanFile:
    """Read and check a plan file.

    Raises PlanError with every problem there is, or UsageError where the file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError:
        raise UsageError(f"{path}: this is a directory; name a plan file in it") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such plan file; check the path") from None
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: the plan file cannot be read: {reason}") from error
    return _checked(read(data, str(path)))


def parse_plan(text: str | bytes, file: str) -> PlanFile:
    """Check a plan file's text; `file` is its name in problems. Raises as `load_plan`."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _checked(read(data, file))


def plan_from(mapping: Mapping[str, Json], source: str = "command line") -> Plan:
    """Check a plan given as values, with the file's keys; `apiVersion` and `kind` may be missing.

    Raises PlanError, its problems placed at `source` alone.
    """
    tree = {"apiVersion": API_VERSION, "kind": "Plan", **mapping}
    return _checked(Document(source, None, tree)).plan


def _checked(document: Document) -> PlanFile:
    if document.is_hopeless:
        raise PlanError(document.problems)
    plan, findings = check_shape(document.tree, document.source)
    findings += tuple(found for check in _CHECKS for found in check(document.tree))
    wrong = {finding.path for finding in findings}
    written = (*check_plain(document.root), *check_encodable(document.tree))
    findings += tuple(one for one in written if one.path not in wrong)
    findings += tuple(_unless_told(check_providers(document.tree), findings))
    problems = _placed(document, findings)
    if plan is None or problems:
        raise PlanError(problems)
    return PlanFile(document.file, plan, document)


def _unless_told(found: Iterable[Finding], told: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out what stands where something is wrong already, whatever the provider."""
    wrong = {finding.path for finding in told}
    for finding in found:
        if not any(finding.path[:length] in wrong for length in range(1, len(finding.path) + 1)):
            yield finding


def _placed(document: Document, findings: Iterable[Finding]) -> list[Problem]:
    """Place all problems, in order; where the text itself is wrong, only that is told."""
    places = {problem.place for problem in document.problems}
    found = {document.problem(finding) for finding in findings}
    told = {problem for problem in found if problem.place is None or problem.place not in places}
    return sorted({*document.problems, *told}, key=_order)


def _order(problem: Problem) -> tuple[Place, str]:
    return problem.place or _NOWHERE, problem.what
