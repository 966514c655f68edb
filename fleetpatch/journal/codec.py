"""Rows and the model, to and fro.

On the hot path: a claimed target costs one `target`, a settled one one `settlement_row`. What
repeats from target to target (resources, clusters, block masks) is decoded once and shared.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from fleetpatch.model.fields import ABSENT, Fields, Json, Path
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target, TargetId

Row: TypeAlias = tuple[Any, ...]

MAX_BLOCKS: Final = 63
"""`targets.blocks` is a bit mask in SQLite's signed 64-bit integer."""

TARGET_COLUMNS: Final = (
    "t.id, t.cluster, t.resource, t.namespace, t.name, t.uid, t.resource_version, t.blocks,"
    " t.before, t.wanted"
)
"""What `target` reads, in its order; `t` is `targets`."""

OUTCOME_COLUMNS: Final = (
    "o.target, o.reason, o.http_status, o.attempts, o.reads, o.elapsed_ms, o.resource_version,"
    " o.detail, o.replaced, o.wrote"
)
"""What `settlement` reads, in its order; `o` is `outcomes`."""


_SHORT: Final = 1024
"""Characters of before-values that are worth remembering; big annotations are not."""


class _Field(msgspec.Struct, array_like=True, gc=False):
    """`[path, value]`, or `[path]` for a field that is absent."""

    path: Path
    value: Any = ABSENT


_fields: Final = msgspec.json.Decoder(list[_Field])
_encode: Final = msgspec.json.Encoder().encode


def text_of(fields: Fields) -> str:
    """Fields as the run file keeps them."""
    pairs: list[Json] = [
        [path] if value is ABSENT else [path, value] for path, value in fields.items()
    ]
    return _encode(pairs).decode()


def fields_of(text: str) -> Fields:
    """Read back what `text_of` wrote. Raises msgspec.MsgspecError for anything else.

    Targets with the same before-values share one mapping: label values repeat by nature.
    """
    return _shared(text) if len(text) <= _SHORT else _decoded(text)


def _decoded(text: str) -> Fields:
    return {field.path: field.value for field in _fields.decode(text)}


_shared: Final = lru_cache(maxsize=1024)(_decoded)


@lru_cache(maxsize=1024)
def blocks(mask: int) -> frozenset[int]:
    """Positions of the bits set in `mask`."""
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def draft_row(draft: Draft, cluster: int, resource: int) -> Row:
    """One row of `drafts`."""
    seen = draft.seen
    return (
        cluster,
        resource,
        seen.namespace,
        seen.name,
        seen.uid,
        seen.resource_version,
        1 << draft.block,
        text_of(draft.before),
        None if draft.wanted is None else text_of(draft.wanted),
        draft.ends and draft.ends.value,
        draft.detail,
    )


def target(row: Row, clusters: Mapping[int, str], resources: Mapping[int, Resource]) -> Target:
    """Build the target of a row of TARGET_COLUMNS.

    Raises KeyError or msgspec.MsgspecError where the row makes no sense.
    """
    number, cluster, resource, namespace, name, uid, version, mask, before, wanted = row
    return Target(
        number,
        clusters[cluster],
        resources[resource],
        namespace,
        name,
        uid,
        version,
        fields_of(before),
        blocks(mask),
        None if wanted is None else fields_of(wanted),
    )


def settlement_row(settlement: Settlement, now: float) -> Row:
    """One row of `outcomes`."""
    return (
        settlement.target,
        settlement.reason.value,
        settlement.http_status,
        settlement.attempts,
        settlement.reads,
        settlement.elapsed_ms,
        settlement.resource_version,
        settlement.detail,
        None if settlement.replaced is None else text_of(settlement.replaced),
        None if settlement.wrote is None else text_of(settlement.wrote),
        now,
    )


def settlement(row: Row) -> Settlement:
    """Build the settlement of a row of OUTCOME_COLUMNS. Raises ValueError for a foreign reason."""
    number, reason, status, attempts, reads, elapsed, version, detail, replaced, wrote = row
    return Settlement(
        TargetId(number),
        Reason(reason),
        status,
        attempts,
        reads,
        elapsed,
        version,
        detail,
        None if replaced is None else fields_of(replaced),
        None if wrote is None else fields_of(wrote),
    )


def resource_row(resource: Resource) -> Row:
    """One row of `resources`, without its id."""
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
    """Build the resource of a row of `resource_row`."""
    group, version, plural, kind, singular, short_names, namespaced = row
    names = tuple(short_names.split())
    return Resource(group, version, plural, kind, singular, names, bool(namespaced))
