"""The tables of a plan as bytes: for a run file, and for workers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from fleetpatch.errors import UsageError
from fleetpatch.model.plan.tables.table import Table

if TYPE_CHECKING:
    from fleetpatch.cel.program import Rows

LARGEST: Final = 256 << 20
"""Bytes of the tables that are sent to a worker."""


def encoded(tables: Mapping[str, Table]) -> bytes:
    """Encode the tables of a plan for workers; empty if there are none. Raises UsageError."""
    if not tables:
        return b""
    content = msgspec.json.encode(
        {name: {"columns": table.columns, "rows": table.rows} for name, table in tables.items()}
    )
    if len(content) > LARGEST:
        raise UsageError(
            f"the tables of the plan have {len(content) >> 20} MiB together, and workers take"
            f" {LARGEST >> 20} MiB; plan without --workers"
        )
    return content


def decoded(content: bytes) -> "Mapping[str, Rows]":
    """Decode tables. Raises msgspec.MsgspecError."""
    # Here and not at the top: plans without expressions do not load what evaluates them.
    from fleetpatch.cel.program import Rows  # noqa: PLC0415

    return msgspec.json.decode(content, type=dict[str, Rows]) if content else {}
