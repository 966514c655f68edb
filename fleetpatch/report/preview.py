"""The preview of an expanded plan, for people and for programs (`plan -o json`).

It shows counts by place and some changes of fields as before -> after. Before the first PATCH, a
question shows the servers and the number of objects.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from fleetpatch.model.fields import Fields, Json
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import (
    RunInfo,
    Summary,
    Tally,
    notes_as_json,
    tallies_as_json,
    warnings_as_json,
    waves_as_json,
    window_as_json,
)
from fleetpatch.model.target import Target
from fleetpatch.model.text import clean
from fleetpatch.report.changes import as_object, change_lines
from fleetpatch.report.forecast import Forecast, forecast_lines
from fleetpatch.report.forecast import as_json as forecast_as_json
from fleetpatch.report.places import PLACE_HEADER, PreviewPlace, place_rows
from fleetpatch.report.summary import notes_of, warning_lines
from fleetpatch.report.table import table
from fleetpatch.report.wording import command, number, several

_UNFIT = MappingProxyType(
    {
        Reason.CLASH: "cannot be relabelled: they have the new label already, with another value",
        Reason.EXISTS: "are skipped: they have another value already, which is kept",
        Reason.INAPPLICABLE: "cannot be patched: the operations do not fit their content",
        Reason.UNREADABLE: "cannot be patched: they are nested too deep or cannot be decoded",
        Reason.DRIFTED: "will keep a later value: a field has drifted since the run",
        Reason.GONE: "cannot be patched: they do not exist, or the block does not select them",
    }
)
"""Why an object is not patched; follows a number of objects in a sentence."""

_NOT_UNDONE = MappingProxyType(
    {
        **_UNFIT,
        Reason.GONE: "cannot be put back: deleted since the run",
        Reason.REPLACED: "cannot be put back: deleted and created again since the run",
    }
)
"""The same for an undo."""


class ChangeSample(msgspec.Struct, frozen=True):
    """One target and its values after the change; `after` may omit fields that do not change."""

    target: Target
    after: Fields


class Preview(msgspec.Struct, frozen=True):
    """A sealed run file with its targets counted by place, in the order of the plan."""

    summary: Summary
    places: Mapping[PreviewPlace, Tally]
    samples: Sequence[ChangeSample] = ()
    undecided: Sequence[str] = ()
    """Fields, with their kinds, whose merge only the server can decide."""
    digest: str = ""
    """The digest of the run, over its targets and their values."""
    empty: Sequence[PreviewPlace] = ()
    """Clusters and named namespaces in which nothing matches; the kind and the rest may be ""."""
    forecast: Forecast | None = None
    missing_keys: Sequence[tuple[str, str, int]] = ()
    """Table, key and number of lookups of each key that is in no row of its table."""
    dependents: Mapping[str, Tally] = {}
    """The targets that selected objects own, by kind; `places` counts them, too."""


def preview_lines(
    preview: Preview, *, advise: bool = True, all_namespaces: bool = False
) -> Iterator[str]:
    """Yield what the plan would do, and with `advise` the next command.

    Without `all_namespaces` the small ones of each kind share one row.
    """
    yield from _header(preview.summary.info, preview.digest)
    if preview.forecast:
        yield from forecast_lines(preview.forecast)
    yield ""
    summary = preview.summary
    yield from table(
        PLACE_HEADER, place_rows(summary, preview.places, preview.empty, all_namespaces)
    )
    if preview.samples:
        yield ""
        yield "For example:"
        for sample in preview.samples:
            yield from _sample(sample)
    for warning in warnings(preview):
        yield ""
        yield warning
    yield from warning_lines(preview.summary)
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
        "createdAt": summary.info.created_at,
        "createdBy": summary.info.created_by,
        "dryRun": summary.info.dry_run,
        "undoOf": summary.info.undo_of or None,
        "undoneBy": summary.undone_by or None,
        "targets": summary.tally.total,
        "outcomes": _outcomes(summary.tally),
        "dependents": _outcomes(sum(preview.dependents.values(), Tally())),
        "counts": [
            {"cluster": cluster, "kind": kind, "namespace": namespace, **_outcomes(tally)}
            for (cluster, kind, namespace), tally in _with_empty(preview).items()
        ],
        "empty": [
            {"cluster": cluster, "namespace": namespace} for cluster, _, namespace in preview.empty
        ],
        "clusters": [
            {"name": one.name, "server": one.server, **_outcomes(summary.by_cluster[one.name])}
            for one in summary.info.clusters
        ],
        "byCluster": tallies_as_json(summary.by_cluster),
        "byKind": tallies_as_json(summary.by_kind),
        "byNamespace": tallies_as_json(summary.by_namespace),
        "waves": waves_as_json(summary),
        "window": summary.window and window_as_json(summary.window),
        **(forecast_as_json(preview.forecast) if preview.forecast else {}),
        "samples": [
            {
                "cluster": sample.target.cluster,
                "kind": sample.target.kind,
                "namespace": sample.target.namespace,
                "name": sample.target.name,
                "before": as_object(sample.target.before),
                "after": as_object({**sample.target.before, **sample.after}),
            }
            for sample in preview.samples
        ],
        "inconsistent": list(summary.inconsistent),
        "undecided": list(preview.undecided),
        "missingKeys": keys_as_json(preview.missing_keys),
        "warnings": warnings_as_json(summary),
    }


def keys_as_json(keys: Iterable[tuple[str, str, int]]) -> list[Json]:
    """Return the keys that are in no row of their table, with the number of lookups."""
    return [{"table": table, "key": key, "count": count} for table, key, count in keys]


def _with_empty(preview: Preview) -> dict[PreviewPlace, Tally]:
    return {**preview.places, **dict.fromkeys(preview.empty, Tally())}


def _outcomes(tally: Tally) -> dict[str, Json]:
    return {"pending": tally.open, "unchanged": tally.unchanged, "skipped": tally.skipped}


def _header(info: RunInfo, digest: str) -> Iterator[str]:
    yield f"Plan     {clean(info.plan_name)}"
    if info.undo_of:
        yield f"Undoes   {clean(info.undo_of)}"
    yield from (f"{label:<9}{text}" for label, text in notes_of(info))
    yield f"Digest   {info.plan_digest}"
    yield f"Run      {clean(info.run)}"
    if digest:
        yield f"Digest   {digest}"
    for cluster in info.clusters:
        yield f"Cluster  {clean(cluster.name)} at {clean(cluster.server)}"


def _sample(sample: ChangeSample) -> Iterator[str]:
    yield f"  {clean(sample.target.full_name)}"
    for line in change_lines(sample.target.before, sample.after):
        yield f"    {line}"


def warnings(preview: Preview) -> Iterator[str]:
    """Yield what a person should know before the run is carried out, each in one line."""
    summary = preview.summary
    if preview.dependents:
        kinds = ", ".join(f"{number(one.total)} {kind}" for kind, one in preview.dependents.items())
        owned = number(sum(one.total for one in preview.dependents.values()))
        yield f"Note: {owned} of them are dependents, which the selected objects own: {kinds}."
    if summary.info.undo_of and summary.tally.unchanged:
        yield f"Back already: {several(summary.tally.unchanged, 'object')}; nothing will be sent."
    words = _NOT_UNDONE if summary.info.undo_of else _UNFIT
    for reason, count in summary.reasons.get(Outcome.SKIPPED, {}).items():
        if reason in words:
            yield (
                f"Warning: {several(count, 'object')} {words[reason]}: "
                f"{command('targets', *summary.words, '--reason', reason)}"
            )
    if summary.inconsistent:
        yield (
            f"Warning: the list of {clean(', '.join(summary.inconsistent))} was cut by the server "
            "and continued at a newer version: objects created or relabelled meanwhile may be "
            "missing; plan again to include them"
        )
    if preview.undecided:
        yield (
            "Note: the server decides how these fields merge: "
            f"{clean(', '.join(preview.undecided))}; "
            "the result may differ from what is shown here; apply with --dry-run to check"
        )


def _next(summary: Summary) -> Iterator[str]:
    yield f"Run file {clean(summary.run_file)}"
    if summary.tally.open:
        apply = command("apply", *summary.words)
        yield f"Nothing was sent. To patch {_the_objects(summary.tally)}: {apply}"
    else:
        yield "Nothing to do: no object needs the patch."


def _the_objects(tally: Tally) -> str:
    """Return `the 998 objects`, or `1 of the 998 objects` if the others need no patch."""
    objects = f"the {several(tally.total, 'object')}"
    return objects if tally.open == tally.total else f"{number(tally.open)} of {objects}"


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
