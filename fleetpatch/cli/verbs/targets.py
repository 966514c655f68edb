"""`fleetpatch targets`: list the targets of a run, or of a campaign, with their outcomes."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

from fleetpatch.cli.options import RunArgument, StateDirOption
from fleetpatch.cli.parameters import Option
from fleetpatch.cli.streams import write_line
from fleetpatch.errors import UsageError
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import Standing
from fleetpatch.model.verification import VerifyResult

if TYPE_CHECKING:
    from fleetpatch.model.run import ListedTarget

_PENDING = (Standing.PENDING, Standing.IN_DOUBT)


class Format(StrEnum):
    """The format of the list."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    NAME = "name"


ClustersOption: TypeAlias = Annotated[
    list[str] | None,
    Option("--cluster", metavar="CLUSTER", help="Only targets of this cluster; may be repeated."),
]
KindsOption: TypeAlias = Annotated[
    list[str] | None,
    Option("--kind", metavar="KIND", help="Only targets of this kind; may be repeated."),
]
NamespacesOption: TypeAlias = Annotated[
    list[str] | None,
    Option(
        "--namespace",
        "-n",
        metavar="NAMESPACE",
        help="Only targets of this namespace, or of those of a glob; may be repeated.",
    ),
]
OutcomesOption: TypeAlias = Annotated[
    list[Standing] | None,
    Option(
        "--outcome",
        metavar="OUTCOME",
        help=f"Only targets with this outcome; may be repeated: {', '.join(Standing)}.",
    ),
]
ReasonsOption: TypeAlias = Annotated[
    list[Reason] | None,
    Option(
        "--reason",
        metavar="REASON",
        help="Only targets with this reason, as it is listed; may be repeated.",
    ),
]
VerifiedOption: TypeAlias = Annotated[
    list[VerifyResult] | None,
    Option(
        "--verified",
        metavar="RESULT",
        help="Only targets of which the latest `verify` found this; may be repeated:"
        " reverted, changed, gone, replaced, unread.",
    ),
]
LimitOption: TypeAlias = Annotated[
    int,
    Option("--limit", at_least=0, metavar="N", help="The most targets to list; 0 lists all."),
]
FormatOption: TypeAlias = Annotated[
    Format,
    Option(
        "--output",
        "-o",
        help="text; json: an array; jsonl: an object a line; csv; name: for kubectl.",
    ),
]


def command(
    run: RunArgument,
    cluster: ClustersOption = None,
    kind: KindsOption = None,
    namespace: NamespacesOption = None,
    outcome: OutcomesOption = None,
    reason: ReasonsOption = None,
    verified: VerifiedOption = None,
    limit: LimitOption = 0,
    output: FormatOption = Format.TEXT,
    state_dir: StateDirOption = None,
) -> None:
    """List the targets of a run.

    For the name of a plan, those of all its runs, each with its latest outcome.
    """
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.campaign.target_list import TargetFilter, list_targets
    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli.choose_run import to_read
    from fleetpatch.journal.runs.campaigns import Campaign
    from fleetpatch.report import targets as report
    from fleetpatch.report.terminal import write, write_data

    found = find_run(Settings(state_dir=state_dir).runs, run)
    chosen = TargetFilter(
        frozenset(cluster or ()),
        frozenset(kind or ()),
        tuple(namespace or ()),
        frozenset(one for standing in outcome or () for one in _standings_of(standing)),
        frozenset(reason or ()),
        _not_holding(verified or ()),
    )
    listed = _Limited(list_targets(to_read(found), chosen), limit)
    lines = {
        Format.TEXT: lambda: report.target_lines(listed, runs=isinstance(found, Campaign)),
        Format.JSON: lambda: report.target_json_array(listed),
        Format.JSONL: lambda: report.target_json_lines(listed),
        Format.CSV: lambda: report.target_csv_lines(listed),
        Format.NAME: lambda: report.target_name_lines(listed),
    }[output]()
    if output is Format.TEXT and listed.is_empty():
        such = " such" if chosen != TargetFilter() else ""
        write_line(f"The run has no{such} targets.")
        return
    (write if output is Format.TEXT else write_data)(lines, sys.stdout)
    if listed.has_more:
        sys.stderr.write("There are more targets; --limit 0 lists all.\n")
    if output is Format.NAME and len(listed.places) > 1:
        sys.stderr.write(
            "warning: these objects are in several namespaces or clusters, and kubectl takes one:"
            " use --namespace and --cluster\n"
        )


def _not_holding(results: Sequence[VerifyResult]) -> frozenset[VerifyResult]:
    if VerifyResult.HOLDS in results:
        raise UsageError("--verified holds: only targets that do not hold are kept; use --outcome")
    return frozenset(results)


def _standings_of(standing: Standing) -> tuple[Standing, ...]:
    # People count a target in doubt as pending, too: it has no outcome either.
    return _PENDING if standing is Standing.PENDING else (standing,)


class _Limited:
    """The first targets of a list, at most `limit`, 0 for all; remembers what it has seen."""

    def __init__(self, listed: "Iterator[ListedTarget]", limit: int) -> None:
        self._listed = listed
        self._limit = limit
        self._first = next(listed, None)
        self.has_more = False
        self.places: set[tuple[str, str]] = set()

    def is_empty(self) -> bool:
        """Report whether there is no target at all."""
        return self._first is None

    def __iter__(self) -> "Iterator[ListedTarget]":
        if self._first is None:
            return
        for count, one in enumerate(_chained(self._first, self._listed)):
            if self._limit and count == self._limit:
                self.has_more = True
                return
            self.places.add((one.target.cluster, one.target.namespace))
            yield one


def _chained(first: "ListedTarget", rest: "Iterable[ListedTarget]") -> "Iterator[ListedTarget]":
    yield first
    yield from rest
