"""The types of the rows of a run file, which `codec` checks.

SQLite does not enforce types, and a run file is untrusted input.
"""

from typing import Annotated, Final, Literal, NotRequired, TypeAlias, TypedDict

import msgspec

from fleetpatch.model.bounds import Duration
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState
from fleetpatch.model.times import LAST_SECOND

UNREADABLE: Final = (
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What checking a foreign value may raise, or computing with it."""

NonNegative: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""Without the bound of `model.bounds.Count`: a mask of blocks may be larger."""
Moment: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=LAST_SECOND)]
"""Seconds since the epoch."""
Name: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=255)
]
"""The name of a run or a plan, which is also part of the names of files."""


class Meta(TypedDict):
    """The facts of the table `meta`; facts that only some runs have are not required."""

    run: Name
    plan_name: Name
    plan_digest: str
    plan: str
    created_at: str
    created_by: str
    tool_version: str
    dry_run: Literal[0, 1]
    undo_of: str
    reason: NotRequired[str]
    description: NotRequired[str]
    annotations: NotRequired[str]
    missing: NotRequired[str]
    plan_folder: NotRequired[str]
    state: RunState
    cause: str
    cause_code: NotRequired[str]
    undone_by: str
    undone_in_part: NotRequired[Literal[0, 1]]
    relatives: NotRequired[str]
    writing: int | str
    patch: NonNegative
    get: NonNegative
    list: NonNegative
    retries: NonNegative
    elapsed: Duration
    targets: NonNegative
    claims: NonNegative
    outcomes: NonNegative
    file_of_undone: NotRequired[str]
    file_of_undo: NotRequired[str]
    partly: NotRequired[Literal[0, 1]]
    pardoned: NotRequired[NonNegative]
    over_workers: NotRequired[Literal[0, 1]]
    recorded: NotRequired[Moment]
    waves: NotRequired[str]
    sealed: NotRequired[str]
    releases: NotRequired[str]
    schemas: NotRequired[str]
    routes: NotRequired[str]
    warnings: NotRequired[str]
    steering: NotRequired[str]
    verification: NotRequired[str]
    planning: NotRequired[Duration]


class ClusterRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `clusters`."""

    id: int
    name: str
    server: str
    context: str
    first: int
    last: int


class Cell(msgspec.Struct, array_like=True, gc=False):
    """The number of targets of one namespace, kind, reason and claim (`queries`)."""

    cluster: int
    resource: int
    namespace: str
    reason: Reason | None
    claimed: int
    count: NonNegative


class ResourceRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `resources`, without its id."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    short_names: str
    namespaced: int


class TargetRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `codec.TARGET_COLUMNS`; one of `codec.PLAIN_COLUMNS` lacks the last three."""

    id: int
    cluster: int
    resource: int
    namespace: str
    name: str
    uid: str
    resource_version: str
    blocks: NonNegative
    before: str
    wanted: str | None
    earlier_wrote: str | None = None
    earlier_replaced: str | None = None
    computed: str | None = None


class OutcomeRow(msgspec.Struct, array_like=True, gc=False):
    """One row of `codec.OUTCOME_COLUMNS`."""

    target: int
    reason: Reason
    http_status: int | None
    attempts: NonNegative
    reads: NonNegative
    elapsed_ms: Duration
    resource_version: str | None
    detail: str
    replaced: str | None
    wrote: str | None
