"""Converts settlements, retries and pages to what is sent between processes, and back.

Targets are sent as rows of the run file. Fields are encoded as there: they have tuples as keys, and
values that may be absent.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.journal import codec
from fleetpatch.journal.codec import fields_of, text_of
from fleetpatch.journal.rows import TargetRow
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Evaluated, MissingKey, Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from fleetpatch.workers.messages import Answer, WireFields, WireRetry
from fleetpatch.workers.questions import WireEvaluated, WirePage


def answer_of(call: int, targets: Sequence[TargetRow], resources: Mapping[int, Resource]) -> Answer:
    """Make the answer to a call that returns targets, with those of `resources` that they have."""
    numbers = {one.resource for one in targets}
    return Answer(call, {number: resources[number] for number in numbers}, targets)


def targets_of(
    cluster: str, targets: Sequence[TargetRow], resources: Mapping[int, Resource]
) -> list[Target]:
    """Build the targets of rows, which are of one cluster."""
    numbers = {one.cluster for one in targets}
    return codec.targets(targets, dict.fromkeys(numbers, cluster), resources)


def wire_fields(one: Settlement) -> WireFields | None:
    """Convert the fields of a settlement; None if it has none, as most have."""
    if one.replaced is None and one.wrote is None:
        return None
    return WireFields(one.target, _text(one.replaced), _text(one.wrote))


def without_fields(one: Settlement) -> Settlement:
    """Return a settlement without what `wire_fields` converts."""
    return replace(one, replaced=None, wrote=None)


def with_fields(one: Settlement, fields: WireFields | None) -> Settlement:
    """Return a settlement with the fields that were sent beside it."""
    if fields is None:
        return one
    return replace(one, replaced=_fields(fields.replaced), wrote=_fields(fields.wrote))


def wire_retry(one: RetryRecord) -> WireRetry:
    """Convert the record of a retry."""
    return WireRetry(
        one.target.id, one.attempt, one.http_status, one.verdict, one.detail, one.wait, one.reason
    )


def retry_of(one: WireRetry, target: Target) -> RetryRecord:
    """Convert back what `wire_retry` made of the record of a retry of this target."""
    return RetryRecord(
        target, one.attempt, one.http_status, one.verdict, one.detail, one.wait, one.reason
    )


def wire_evaluated(one: Evaluated) -> WireEvaluated:
    """Convert what expressions yield for an object."""
    keys = tuple((missing.table, missing.key) for missing in one.missing_keys)
    return WireEvaluated(one.matches, text_of(one.values) if one.values else "", one.error, keys)


def evaluated_of(one: WireEvaluated) -> Evaluated:
    """Convert back what `wire_evaluated` made."""
    keys = tuple(MissingKey(table, key) for table, key in one.missing_keys)
    return Evaluated(one.matches, fields_of(one.values) if one.values else {}, one.error, keys)


def wire_page(page: Page) -> WirePage:
    """Convert a page."""
    results = page.evaluated
    evaluated = None if results is None else [wire_evaluated(one) for one in results]
    return WirePage(page.items, page.inconsistent, page.api_version, page.kind, evaluated)


def page_of(page: WirePage) -> Page:
    """Convert back what `wire_page` made."""
    results = page.evaluated
    evaluated = None if results is None else [evaluated_of(one) for one in results]
    return Page(page.items, page.inconsistent, page.api_version, page.kind, evaluated)


def _text(fields: Fields | None) -> str | None:
    return None if fields is None else text_of(fields)


def _fields(text: str | None) -> Fields | None:
    return None if text is None else fields_of(text)
