"""Converts rows to values of the model, and back.

SQLite does not enforce types, and a run file is untrusted input. So every row is checked against
its type (`rows`) before it is converted. A row of another type raises one of `UNREADABLE`, which
`Database.decoding` converts to RunFileError.

This is on the hot path: each claimed target is converted by `targets`, each settled one by
`settlement_rows`. Values that targets share (resources, clusters, block masks) are decoded once.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from fleetpatch.journal.rows import (
    Cell,
    ClusterRow,
    Meta,
    Moment,
    OutcomeRow,
    ResourceRow,
    TargetRow,
)
from fleetpatch.model.fields import ABSENT, MAX_DEPTH, TOO_DEEP, Fields, Json, Path, is_deeper
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import EarlierWrite, Target, TargetId

Row: TypeAlias = tuple[Any, ...]

MAX_BLOCKS: Final = 63
"""`targets.blocks` is a bit mask in SQLite's signed 64-bit integer."""

TARGET_COLUMNS: Final = (
    "t.id, t.cluster, t.resource, t.namespace, t.name, t.uid, t.resource_version, t.blocks,"
    " t.before, t.wanted, (SELECT wrote FROM earlier_writes WHERE target = t.id),"
    " (SELECT replaced FROM earlier_writes WHERE target = t.id),"
    " (SELECT fields FROM computed WHERE target = t.id)"
)
"""The columns of a row for `target`, in this order; `t` is `targets`."""

PLAIN_COLUMNS: Final = TARGET_COLUMNS.partition(", (")[0]
"""The same without the last ones, for where `earlier_writes` and `computed` are empty."""

OUTCOME_COLUMNS: Final = (
    "o.target, o.reason, o.http_status, o.attempts, o.reads, o.elapsed_ms, o.resource_version,"
    " o.detail, o.replaced, o.wrote"
)
"""The columns of a row for `settlement`, in this order; `o` is `outcomes`."""

_CACHED_LENGTH: Final = 1024
"""Characters; longer texts are not cached: labels repeat among targets, annotations do not."""


class _Field(msgspec.Struct, array_like=True, gc=False):
    """`[path, value]`, or `[path]` for a field that is absent."""

    path: Annotated[Path, msgspec.Meta(min_length=1)]
    value: Any = ABSENT


_fields: Final = msgspec.json.Decoder(list[_Field])
_target_rows: Final = msgspec.json.Decoder(list[TargetRow])
_encode: Final = msgspec.json.Encoder().encode


def text_of(fields: Fields) -> str:
    """Encode fields as the run file stores them."""
    pairs: list[Json] = [
        [path] if value is ABSENT else [path, value] for path, value in fields.items()
    ]
    return _encode(pairs).decode()


def fields_of(text: str) -> Fields:
    """Decode what `text_of` encoded. Raises msgspec.MsgspecError for anything else.

    Targets with the same before-values share one mapping.
    """
    return _shared(text) if len(text) <= _CACHED_LENGTH else _decoded(text)


def _decoded(text: str) -> Fields:
    fields = {field.path: field.value for field in _fields.decode(text)}
    # A text with fewer brackets cannot be nested deeper, and counting them is cheap.
    if text.count("[") + text.count("{") > MAX_DEPTH and any(
        is_deeper(value, MAX_DEPTH) for value in fields.values()
    ):
        raise ValueError(TOO_DEEP)
    return fields


_shared: Final = lru_cache(maxsize=1024)(_decoded)


@lru_cache(maxsize=1024)
def blocks(mask: int) -> frozenset[int]:
    """Return the positions of the bits that are set in `mask`."""
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def draft_row(draft: Draft, cluster: int, resource: int) -> Row:
    """Return one row of `drafts`; `cluster` and `resource` are ids."""
    seen = draft.seen
    return (
        cluster,
        resource,
        seen.namespace,
        seen.name,
        seen.uid or _name_of_missing(draft),
        seen.resource_version,
        # The selectors of a block are for the owners, and not for their dependents.
        0 if draft.owner else 1 << draft.block,
        text_of(draft.before),
        None if draft.wanted is None else text_of(draft.wanted),
        # The reason of an object that needs no patch: the seal makes it an outcome.
        draft.ends and draft.ends.value,
        draft.detail,
        None if draft.computed is None else text_of(draft.computed),
        draft.owner or None,
    )


def _name_of_missing(draft: Draft) -> str:
    """Return what a listed object that does not exist has in place of a uid in `drafts`."""
    seen = draft.seen
    return f"{draft.resource.name}/{seen.namespace}/{seen.name}"


def meta(facts: Mapping[str, Any]) -> Meta:
    """Check the facts of a run. Raises one of UNREADABLE."""
    return msgspec.convert(facts, Meta, strict=True)


def moment(value: object) -> float | None:
    """Check a time in seconds since the epoch, or None. Raises one of UNREADABLE."""
    return msgspec.convert(value, Moment | None)


def cluster(row: Row) -> ClusterRow:
    """Build a cluster of `id, name, server, context, first, last`. Raises one of UNREADABLE."""
    return msgspec.convert(row, ClusterRow)


def cell(row: Row) -> Cell:
    """Build a cell of the columns that its fields name. Raises one of UNREADABLE."""
    return msgspec.convert(row, Cell)


def _earlier(wrote: str | None, replaced: str | None) -> EarlierWrite | None:
    # Both or neither: they are the columns of one row of `earlier_writes`.
    if wrote is None or replaced is None:
        return None
    return EarlierWrite(fields_of(wrote), fields_of(replaced))


def target(row: Row, clusters: Mapping[int, str], resources: Mapping[int, Resource]) -> Target:
    """Build the target of a row of TARGET_COLUMNS. Raises one of UNREADABLE."""
    (one,) = targets(target_rows([row]), clusters, resources)
    return one


def target_rows(rows: Iterable[Row]) -> list[TargetRow]:
    """Check the types of rows of TARGET_COLUMNS. Raises one of UNREADABLE."""
    # Checked together, which takes half as long as one by one.
    return msgspec.convert(rows, list[TargetRow])


def json_rows(texts: Sequence[str]) -> list[TargetRow]:
    """Read rows of TARGET_COLUMNS, or of PLAIN_COLUMNS, as JSON. Raises one of UNREADABLE."""
    return _target_rows.decode(f"[{','.join(texts)}]")


def require_readable(
    rows: Iterable[TargetRow], clusters: Mapping[int, str], resources: Mapping[int, Resource]
) -> None:
    """Raise one of UNREADABLE if `targets` would do so; most rows have the same few texts."""
    texts = {
        text
        for one in rows
        for text in (
            one.before,
            one.wanted,
            one.earlier_wrote,
            one.earlier_replaced,
            one.computed,
        )
    }
    for text in texts:
        if text is not None:
            fields_of(text)
    for places, numbers in (
        (clusters, {one.cluster for one in rows}),
        (resources, {one.resource for one in rows}),
    ):
        if not numbers <= places.keys():
            raise LookupError


def targets(
    rows: Iterable[TargetRow], clusters: Mapping[int, str], resources: Mapping[int, Resource]
) -> list[Target]:
    """Build the targets of rows that were checked. Raises one of UNREADABLE."""
    return [
        Target(
            TargetId(read.id),
            clusters[read.cluster],
            resources[read.resource],
            read.namespace,
            read.name,
            read.uid,
            read.resource_version,
            fields_of(read.before),
            blocks(read.blocks),
            None if read.wanted is None else fields_of(read.wanted),
            None
            if read.earlier_wrote is None
            else _earlier(read.earlier_wrote, read.earlier_replaced),
            None if read.computed is None else fields_of(read.computed),
        )
        for read in rows
    ]


_REASONS: Final = {reason: reason.value for reason in Reason}
"""The texts of all reasons: SQLite's module takes a plain `str` faster than a member."""


def settlement_rows(settlements: Iterable[Settlement], now: float) -> list[Row]:
    """Return rows of `outcomes` without `replaced` and `wrote`, which few settlements have.

    `now` is in seconds since the epoch.
    """
    return [
        (
            one.target,
            _REASONS[one.reason],
            one.http_status,
            one.attempts,
            one.reads,
            one.elapsed_ms,
            one.resource_version,
            one.detail,
            now,
        )
        for one in settlements
    ]


def settlement_fields(settlement: Settlement) -> Row:
    """Return the columns `replaced` and `wrote` of a row of `outcomes`."""
    replaced, wrote = settlement.replaced, settlement.wrote
    return (
        None if replaced is None else text_of(replaced),
        None if wrote is None else text_of(wrote),
    )


def settlement(row: Row) -> Settlement:
    """Build the settlement of a row of OUTCOME_COLUMNS. Raises one of UNREADABLE."""
    read = msgspec.convert(row, OutcomeRow)
    return Settlement(
        TargetId(read.target),
        read.reason,
        read.http_status,
        read.attempts,
        read.reads,
        read.elapsed_ms,
        read.resource_version,
        read.detail,
        None if read.replaced is None else fields_of(read.replaced),
        None if read.wrote is None else fields_of(read.wrote),
    )


def resource_row(resource: Resource) -> Row:
    """Return one row of `resources`, without its id."""
    return (
        resource.group,
        resource.version,
        resource.plural,
        resource.kind,
        resource.singular,
        " ".join(resource.short_names),
        resource.namespaced,
    )


def resource(row: Row) -> Resource:
    """Build the resource of a row of `resource_row`. Raises one of UNREADABLE."""
    read = msgspec.convert(row, ResourceRow)
    return Resource(
        read.group,
        read.version,
        read.plural,
        read.kind,
        read.singular,
        tuple(read.short_names.split()),
        bool(read.namespaced),
    )
