"""Converts targets, settlements, retries and pages to what is sent between processes, and back.

Fields are encoded as in the run file: they have tuples as keys, and values that may be absent.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.journal.codec import fields_of, text_of
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Evaluated, MissingKey, Page
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import EarlierWrite, Target, TargetId
from fleetpatch.workers.messages import Answer, WireFields, WireRetry, WireTarget
from fleetpatch.workers.questions import WireEvaluated, WirePage


def answer_of(call: int, targets: Sequence[Target]) -> Answer:
    """Make the answer to a call that returns targets; each resource is sent once."""
    positions: dict[Resource, int] = {}
    resources: list[Resource] = []
    wired = []
    # Targets with the same fields share one mapping, which is encoded once.
    texts: dict[int, str] = {}
    for target in targets:
        position = positions.get(target.resource)
        if position is None:
            position = positions[target.resource] = len(resources)
            resources.append(target.resource)
        earlier = target.earlier
        wired.append(
            WireTarget(
                target.id,
                position,
                target.namespace,
                target.name,
                target.uid,
                target.resource_version,
                texts.get(id(target.before))
                or texts.setdefault(id(target.before), text_of(target.before)),
                tuple(target.blocks),
                _text(target.wanted),
                None if earlier is None else text_of(earlier.wrote),
                None if earlier is None else text_of(earlier.replaced),
                _text(target.computed),
            )
        )
    return Answer(call, tuple(resources), tuple(wired))


def targets_of(cluster: str, answer: Answer, known: dict[Resource, Resource]) -> list[Target]:
    """Return the targets of an answer; `known` keeps the resources that answers had so far.

    Targets of one resource share it, as those of a run file do.
    """
    resources = [known.setdefault(one, one) for one in answer.resources]
    return [
        Target(
            TargetId(one.id),
            cluster,
            resources[one.resource],
            one.namespace,
            one.name,
            one.uid,
            one.resource_version,
            fields_of(one.before),
            frozenset(one.blocks),
            _fields(one.wanted),
            None
            if one.wrote is None or one.replaced is None
            else EarlierWrite(fields_of(one.wrote), fields_of(one.replaced)),
            _fields(one.computed),
        )
        for one in answer.targets
    ]


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


def retry_of(one: WireRetry, targets: Mapping[int, Target]) -> RetryRecord | None:
    """Convert back what `wire_retry` made; None for a target that is not in `targets`."""
    target = targets.get(one.target)
    if target is None:
        return None
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
