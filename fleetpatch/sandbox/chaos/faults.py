"""Carry out a fault: change the objects, or make the answer.

`fleetpatch.sandbox.handler` carries out the faults of a connection.
"""

from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from fleetpatch.sandbox.apiserver.api import Call
from fleetpatch.sandbox.apiserver.routes import Route
from fleetpatch.sandbox.apiserver.statuses import HTML, ApiReply, details_of, failure, text
from fleetpatch.sandbox.apiserver.store import Store, StoredObject
from fleetpatch.sandbox.apiserver.writes import Writes
from fleetpatch.sandbox.cci.errors import gateway_error
from fleetpatch.sandbox.chaos.profiles import Action, Body, Chaos, ChaosRule, Decision, Method

_REASONS: Final = MappingProxyType(
    {
        400: "BadRequest",
        401: "Unauthorized",
        403: "Forbidden",
        404: "NotFound",
        405: "MethodNotAllowed",
        406: "NotAcceptable",
        409: "Conflict",
        415: "UnsupportedMediaType",
        422: "Invalid",
        429: "TooManyRequests",
        500: "InternalError",
        503: "ServiceUnavailable",
        504: "Timeout",
    }
)
_METHODS: Final = MappingProxyType(
    {
        "get": Method.GET,
        "list": Method.LIST,
        "patch": Method.PATCH,
        "create": Method.POST,
        "update": Method.PUT,
        "delete": Method.DELETE,
    }
)
_PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>proxy</body></html>\n"


@dataclass(slots=True)
class Faults:
    """Counts the requests of one sandbox, and decides their faults."""

    chaos: Chaos
    seed: int
    _numbers: Counter[tuple[Method, str]] = field(default_factory=Counter)

    def decide(self, call: Call, path: str) -> Decision:
        """Count a request, and decide its delay and its fault."""
        method = _METHODS[call.verb]
        # By method and path, so that a decision does not depend on requests for other objects.
        self._numbers[method, path] += 1
        number = self._numbers[method, path]
        return self.chaos.decide(self.seed, method, path, call.route.name, number)


def change_objects(rule: ChaosRule, store: Store, writes: Writes, route: Route) -> None:
    """Change the objects as another writer, if the rule's action does that."""
    # A list has no object, so this comes before the object is looked up.
    if rule.action is Action.EXPIRE:
        store.compact()
    document = store.get(route.resource, route.namespace, route.name)
    if document is None:
        return
    match rule.action:
        case Action.DRIFT:
            store.put(route.resource, _labelled(document, rule.label))
        case Action.GONE:
            store.delete(route.resource, route.namespace, route.name)
        case Action.RECREATE:
            store.delete(route.resource, route.namespace, route.name)
            store.put(route.resource, writes.recreated(route.resource, document))


def answer(rule: ChaosRule, route: Route) -> ApiReply:
    """The answer of a rule whose action is STATUS."""
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    phrase = _phrase(rule.status)
    match rule.body:
        case Body.HTML:
            page = _PAGE.format(phrase).encode()
            return ApiReply(rule.status, page, HTML, headers)
        case Body.TEXT:
            plain = text(rule.status, f"{phrase}\n")
            return ApiReply(plain.status, plain.body, plain.content_type, headers)
        case Body.GATEWAY:
            return gateway_error(rule.status, headers=headers)
        case Body.STATUS:
            details = details_of(route.resource, route.name)
            if rule.retry_after_seconds is not None:
                details["retryAfterSeconds"] = rule.retry_after_seconds
            reason = _REASONS.get(rule.status, "")
            message = f"a fault of the sandbox: {phrase}"
            return failure(rule.status, message, reason, details, headers=headers)


def _labelled(document: StoredObject, label: str) -> StoredObject:
    key, _, value = label.partition("=")
    metadata = document["metadata"]
    labels = {**(metadata.get("labels") or {}), key: value}
    return {**document, "metadata": {**metadata, "labels": labels}}


def _phrase(status: int) -> str:
    # A rule may have any status from 400 to 599, also one without a phrase.
    known = any(status == each.value for each in HTTPStatus)
    return f"{status} {HTTPStatus(status).phrase}" if known else str(status)
