"""The preview of an expanded plan, for people and for programs (`plan -o json`).

It shows counts by place and some changes of fields as before -> after. Before the first PATCH, a
question shows the servers and the number of objects.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value, show
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import RunInfo, Summary, Tally, notes_as_json, warnings_as_json
from fleetpatch.model.target import Target
from fleetpatch.model.text import clean
from fleetpatch.report.summary import note_lines, warning_lines
from fleetpatch.report.table import TableRow, table
from fleetpatch.report.wording import command, number, several

NAMESPACES_SHOWN = 3
"""Namespaces that are listed for each kind of each cluster; the others share one row."""

_UNFIT = MappingProxyType(
    {
        Reason.CLASH: "cannot be relabelled: they have the new label already, with another value",
        Reason.EXISTS: "are skipped: they have another value already, which is kept",
        Reason.INAPPLICABLE: "cannot be patched: the operations do not fit their content",
        Reason.UNREADABLE: "cannot be patched: they are nested too deep or cannot be decoded",
        Reason.DRIFTED: "will keep a later value: a field has drifted since the run",
        Reason.GONE: "cannot be put back: deleted since the run",
        Reason.REPLACED: "cannot be put back: deleted and created again since the run",
    }
)
"""Why an object is not patched; follows a number of objects in a sentence. The last three are
found by an undo."""

PreviewPlace: TypeAlias = tuple[str, str, str]
"""Cluster, kind (`jobs.batch`) and namespace."""


class Sample(msgspec.Struct, frozen=True):
    """One target and its values after the change; `after` may omit fields that do not change."""

    target: Target
    after: Fields


class Preview(msgspec.Struct, frozen=True):
    """A sealed run file with its targets counted by place, in the order of the plan."""

    summary: Summary
    places: Mapping[PreviewPlace, Tally]
    samples: Sequence[Sample] = ()
    undecided: Sequence[str] = ()
    """Fields, with their kinds, whose merge only the server can decide."""
    digest: str = ""
    """The digest of the run, over its targets and their values."""


def preview_lines(preview: Preview, *, advise: bool = True) -> Iterator[str]:
    """Yield what the plan would do, and with `advise` the next command."""
    yield from _header(preview.summary.info, preview.digest)
    yield ""
    yield from _counts(preview)
    if preview.samples:
        yield ""
        yield "For example:"
        for sample in preview.samples:
            yield from _sample(sample)
    yield from _warnings(preview.summary)
    yield from warning_lines(preview.summary)
    if preview.undecided:
        yield ""
        yield (
            "Note: the server decides how these fields merge: "
            f"{clean(', '.join(preview.undecided))}; "
            "the result may differ from what is shown here; apply with --dry-run to check"
        )
    yield ""
    # Not above the question whether to apply the run.
    if advise:
        yield from _next(preview.summary)


def as_json(preview: Preview) -> dict[str, Json]:
    """Return the object that `plan --output json` prints; an interface (docs/reference.md)."""
    summary = preview.summary
    return {
        "run": summary.info.run,
        "runDigest": preview.digest,
        "runFile": summary.run_file,
        "plan": {"name": summary.info.plan_name, "digest": summary.info.plan_digest},
        **notes_as_json(summary.info),
        "targets": summary.tally.total,
        "outcomes": _outcomes(summary.tally),
        "counts": [
            {"cluster": cluster, "kind": kind, "namespace": namespace, **_outcomes(tally)}
            for (cluster, kind, namespace), tally in preview.places.items()
        ],
        "samples": [
            {
                "cluster": sample.target.cluster,
                "kind": sample.target.resource.name,
                "namespace": sample.target.namespace,
                "name": sample.target.name,
                "before": as_object(sample.target.before),
                "after": as_object({**sample.target.before, **sample.after}),
            }
            for sample in preview.samples
        ],
        "inconsistent": list(summary.inconsistent),
        "undecided": list(preview.undecided),
        "warnings": warnings_as_json(summary),
    }


def _outcomes(tally: Tally) -> dict[str, Json]:
    return {"pending": tally.open, "unchanged": tally.unchanged, "skipped": tally.skipped}


def _header(info: RunInfo, digest: str) -> Iterator[str]:
    yield f"Plan     {clean(info.plan_name)}"
    if info.undo_of:
        yield f"Undoes   {clean(info.undo_of)}"
    yield from note_lines(info)
    yield f"Digest   {info.plan_digest}"
    yield f"Run      {clean(info.run)}"
    if digest:
        yield f"Digest   {digest}"
    for cluster in info.clusters:
        yield f"Cluster  {clean(cluster.name)} at {clean(cluster.server)}"
    for name, why in info.missing.items():
        yield f"Warning: cluster {clean(name)} is left out: {clean(why)}"


def _counts(preview: Preview) -> Iterator[str]:
    # The total is from the summary, which counts all places, and not from the rows that are shown.
    total = preview.summary.tally
    header = ("CLUSTER", "KIND", "NAMESPACE", "TO PATCH", "UNCHANGED", "SKIPPED")
    yield from table(header, [*_rows(preview.places), _row("in all", "", "", total)])


def _rows(places: Mapping[PreviewPlace, Tally]) -> Iterator[TableRow]:
    """Yield a row for each namespace, the largest first; all after the first few share one."""
    groups: dict[tuple[str, str], list[tuple[str, Tally]]] = defaultdict(list)
    for (cluster, kind, namespace), tally in places.items():
        groups[cluster, kind].append((namespace, tally))
    for (cluster, kind), found in groups.items():
        # By name where counts are equal, so that equal plans have equal previews.
        found.sort(key=lambda one: (-one[1].open, -one[1].total, one[0]))
        # A single further namespace is named, since "and 1 more" would take the same space.
        shown = len(found) if len(found) == NAMESPACES_SHOWN + 1 else NAMESPACES_SHOWN
        for namespace, tally in found[:shown]:
            yield _row(cluster, kind, namespace, tally)
        if rest := found[shown:]:
            yield _row(cluster, kind, f"and {len(rest)} more", _sum(tally for _, tally in rest))


def _row(cluster: str, kind: str, namespace: str, tally: Tally) -> TableRow:
    return (cluster, kind, namespace, tally.open, tally.unchanged, tally.skipped)


def _sum(tallies: Iterable[Tally]) -> Tally:
    pending = unchanged = skipped = 0
    for tally in tallies:
        pending += tally.open
        unchanged += tally.unchanged
        skipped += tally.skipped
    return Tally(pending=pending, unchanged=unchanged, skipped=skipped)


def _sample(sample: Sample) -> Iterator[str]:
    target = sample.target
    place = f"{target.cluster} {target.resource.name} {target.namespace}/{target.name}"
    yield f"  {clean(place)}"
    for line in change_lines(target.before, sample.after):
        yield f"    {line}"


def _warnings(summary: Summary) -> Iterator[str]:
    if summary.info.undo_of and summary.tally.unchanged:
        yield ""
        yield f"Back already: {several(summary.tally.unchanged, 'object')}; nothing will be sent."
    for reason, count in summary.reasons.get(Outcome.SKIPPED, {}).items():
        if reason in _UNFIT:
            yield ""
            yield (
                f"Warning: {several(count, 'object')} {_UNFIT[reason]}: "
                f"{command('targets', summary.run_file, '--reason', reason)}"
            )
    if summary.inconsistent:
        yield ""
        yield (
            f"Warning: the list of {clean(', '.join(summary.inconsistent))} was cut by the server "
            "and continued at a newer version: objects created or relabelled meanwhile may be "
            "missing; plan again to include them"
        )


def _next(summary: Summary) -> Iterator[str]:
    yield f"Run file {clean(summary.run_file)}"
    if summary.tally.open:
        apply = command("apply", summary.run_file)
        yield f"Nothing was sent. To patch {_the_objects(summary.tally)}: {apply}"
    else:
        yield "Nothing to do: no object needs the patch."


def _the_objects(tally: Tally) -> str:
    """Return `the 998 objects`, or `1 of the 998 objects` if the others need no patch."""
    objects = f"the {several(tally.total, 'object')}"
    return objects if tally.open == tally.total else f"{number(tally.open)} of {objects}"


VALUE_LIMIT = 80
"""Characters of a value that are shown; an annotation may have 256 KiB."""


def change_lines(before: Fields, after: Fields) -> Iterator[str]:
    """Yield `team: "ml" -> (absent)` for each field that changes, in the order of `before`."""
    for path, old in before.items():
        new = after.get(path, old)
        if not deep_equal(new, old):
            yield f"{_name(path)}: {_value(old)} -> {_value(new)}"


def as_object(fields: Fields) -> dict[str, Json]:
    """Return fields as a JSON object keyed by dotted path; absent is null."""
    return {show(path): None if value is ABSENT else value for path, value in fields.items()}


def _name(path: Path) -> str:
    match path:
        case ("metadata", "labels", key):
            return clean(key)
        case ("metadata", "annotations", key):
            return f"annotation {clean(key)}"
        case _:
            return clean(show(path))


def _value(value: Value) -> str:
    return (
        "(absent)" if value is ABSENT else clean(msgspec.json.encode(value).decode(), VALUE_LIMIT)
    )


QUESTION = "Continue? Type yes: "


def confirmation_lines(summary: Summary) -> Iterator[str]:
    """Yield the lines above the question: each cluster with its server and its counts."""
    # Every cluster, also without targets: a person confirms where requests are sent.
    rows = []
    for cluster in summary.info.clusters:
        tally = summary.by_cluster[cluster.name]
        rows.append((cluster.name, cluster.server, tally.open, tally.unchanged, tally.skipped))
    open_ = several(summary.tally.open, "object")
    info = summary.info
    what = f"The undo of {clean(info.undo_of)}" if info.undo_of else clean(info.plan_name)
    yield f"{what} is about to patch {open_}:"
    header = ("CLUSTER", "SERVER", "TO PATCH", "UNCHANGED", "SKIPPED")
    yield from table(header, rows, indent="  ")


def is_yes(answer: str) -> bool:
    """Return whether the answer is "y" or "yes", in any case."""
    return answer.strip().lower() in ("y", "yes")
