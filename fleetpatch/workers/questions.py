"""What the coordinator asks of a worker about a cluster, and the answers, as MessagePack.

While a plan is expanded or an undo is planned, workers read for the coordinator: it sends an `Ask`
with a question, and the worker sends a `ReadResult`. How messages are encoded and decoded is in
`fleetpatch.workers.messages`.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from fleetpatch.model.bounds import Count
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen


class Resources(msgspec.Struct, frozen=True, tag=True):
    """Asks for the served resources of these groups, or of all."""

    groups: tuple[str, ...] | None


class Namespaces(msgspec.Struct, frozen=True, tag=True):
    """Asks for the namespaces: their names, or (`objects`) the objects by name."""

    objects: bool


class Merging(msgspec.Struct, frozen=True, tag=True):
    """Asks how the server merges `kinds`."""

    kinds: tuple[Resource, ...] = ()


class NextPage(msgspec.Struct, frozen=True, tag=True):
    """Asks for a page of the list with this number, which the first call begins.

    Pages are asked for in their order, from 0; the same one again if its answer was lost. The
    answer, a `WirePage`, is null after the last page. With a `block` its expressions are evaluated
    for the objects; unless `complete`, they are sent without what only expressions read.
    """

    list: int
    page: int
    resource: Resource
    namespace: str | None
    selector: str
    field_selector: str
    whole: bool
    metadata: bool
    managed: bool = False
    block: int | None = None
    complete: bool = True


class Evaluate(msgspec.Struct, frozen=True, tag=True):
    """Asks what the expressions of a block yield for objects; `subjects` are JSON.

    The answer is a list of `WireEvaluated`.
    """

    block: int
    subjects: bytes


class WireEvaluated(msgspec.Struct, frozen=True, array_like=True):
    """An `Evaluated`; `values` are as in the run file, missing keys are pairs of table and key."""

    matches: bool = True
    values: str = ""
    error: str = ""
    missing_keys: tuple[tuple[str, str], ...] = ()


class WirePage(msgspec.Struct, frozen=True):
    """A `Page`."""

    items: Sequence[Seen]
    inconsistent: bool = False
    api_version: str = ""
    kind: str = ""
    evaluated: Sequence[WireEvaluated] | None = None


class GetObject(msgspec.Struct, frozen=True, tag=True):
    """Asks for an object as it is now."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    whole: bool


Question: TypeAlias = Resources | Namespaces | Merging | NextPage | Evaluate | GetObject


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Asks a worker what a cluster has, while a plan is expanded or an undo is planned."""

    number: int
    cluster: str
    question: Question


class ReadResult(msgspec.Struct, frozen=True, tag=True):
    """What a worker has read for an `Ask`: JSON, or the class and the text of an error.

    `requests` and `warnings` are new since the last answer about this cluster. `is_first`: a page
    is the first one of its list.
    """

    number: int
    body: bytes = b""
    error: tuple[str, str] | None = None
    requests: Mapping[str, Count] = {}
    warnings: Mapping[str, Count] = {}
    is_first: bool = False
