"""LIST: selectors, pages, continue tokens.

A token has the real server's format: base64 of JSON with a version and the key to continue from. On
the real server, all pages show the state of the first one. Here a later page shows the current
state of its objects: the keys are sorted, so no object is listed twice, and no object that exists
all the time is left out.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from fleetpatch.model.resource import Resource
from fleetpatch.model.selectors.field_selector import FieldSelector, FieldTerm
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.selectors.requirement import SelectorError
from fleetpatch.sandbox.apiserver.discovery import BATCH_JOBS
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import (
    Cause,
    Refusal,
    bad_request,
    encode,
    expired,
    failure,
    internal_error,
    invalid_option,
)
from fleetpatch.sandbox.apiserver.store import Collection, Store, StoredObject

_EMPTY_VALUES: Final = re.compile(r",[,\s]*,\s*\)")
_ENCODING: Final = "meta.k8s.io/v1"
_MATCHES: Final = ("Exact", "NotOlderThan", "")
_AFTER: Final = "\0"
"""Appended to a key, this is the smallest key after it."""


class Token(msgspec.Struct):
    """A continue token: `start` is a key within the list's prefix."""

    v: str
    rv: int
    start: str

    def text(self) -> str:
        """The token's text for clients."""
        return base64.urlsafe_b64encode(encode(self)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Token":
        """Parse a token. Raises Refusal (400) if it is not valid."""
        # Go's RawURLEncoding has no padding, Python's decoder requires it.
        if "=" in text:
            raise _bad_token("illegal base64 data: padding")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            token = msgspec.json.decode(raw, type=cls)
        except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
            raise _bad_token(str(error)) from error
        if token.v != _ENCODING:
            raise _bad_token(f'server does not recognize this encoded version "{token.v}"')
        if not token.start or token.rv == 0 or ".." in token.start.split("/"):
            raise _bad_token("incorrect start")
        return token


def _bad_token(why: str) -> Refusal:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The supported parameters of a LIST; `limit` 0 means no limit."""

    labels: Selector
    fields: FieldSelector
    limit: int
    token: Token | None

    @classmethod
    def parse(
        cls, release: Release, resource: Resource, parameters: dict[str, str]
    ) -> "ListOptions":
        """Parse the query of a LIST. Raises Refusal, as the real server answers."""
        _check_version(parameters)
        text = parameters.get("continue", "")
        limit = _limit(parameters.get("limit", ""))
        if parameters.get("resourceVersion") == "0" and not text:
            limit = 0  # the real server answers from its watch cache, which does not paginate
        try:
            selector = parameters.get("labelSelector", "")
            if release.takes_empty_values:
                selector = _EMPTY_VALUES.sub(",)", selector)
            labels = Selector.parse(selector)
            fields = FieldSelector.parse(parameters.get("fieldSelector", ""))
        except SelectorError as error:
            raise bad_request(f"unable to parse requirement: {error}") from error
        for term in fields.terms:
            _check_field(resource, term)
        return cls(labels, fields, max(limit, 0), Token.parse(text) if text else None)

    @property
    def selects(self) -> bool:
        """Whether there is a selector, so that objects may be left out."""
        return not (self.labels.is_empty and self.fields.is_empty)

    def matches(self, document: StoredObject) -> bool:
        """Whether an object is selected."""
        labels = document["metadata"].get("labels") or {}
        return self.labels.matches(labels) and all(
            (_field(document, term.key) == term.value) is term.equal for term in self.fields.terms
        )


class ServedPage(NamedTuple):
    """One page: its objects, the version, the token of the next page, and the remaining objects.

    `remaining` is None if the server does not count: with a selector, and on the last page.
    """

    documents: list[StoredObject]
    version: int
    token: str
    remaining: int | None


def list_page(store: Store, resource: Resource, namespace: str, query: ListOptions) -> ServedPage:
    """Return the page for `query`. Raises Refusal (410) for a token that has expired."""
    prefix = f"{namespace}/" if namespace else ""
    version, start = store.version, ""
    if query.token:
        version, start = _resumed(store, query.token), prefix + query.token.start
    collection = store.collection(resource)
    span = collection.span(prefix, start)
    found, position = _scan(collection, span, query)
    # Only a page with something after it has a token.
    if position == span.stop:
        return ServedPage(found, version, "", None)
    last = collection.keys[position - 1].removeprefix(prefix)
    token = Token(_ENCODING, version, last + _AFTER).text()
    return ServedPage(found, version, token, None if query.selects else span.stop - position)


def _scan(
    collection: Collection, span: range, query: ListOptions
) -> tuple[list[StoredObject], int]:
    """The matching objects in `span`, up to the limit, and the position after the last one read."""
    keys, documents = collection.keys, collection.documents
    # Without a selector a page is a slice: the common case of a large fleet.
    if not query.selects:
        stop = min(span.stop, span.start + query.limit) if query.limit else span.stop
        return [documents[key] for key in keys[span.start : stop]], stop
    found: list[StoredObject] = []
    for position in span:
        document = documents[keys[position]]
        if query.matches(document):
            found.append(document)
            if len(found) == query.limit:
                return found, position + 1
    return found, span.stop


def _resumed(store: Store, token: Token) -> int:
    """The version of the list that `token` continues; a version below 0 means the newest one."""
    # A negative version is in the token of a 410: it accepts an inconsistent list.
    if token.rv < 0:
        return store.version
    if token.rv > store.version:
        raise internal_error("etcdserver: mvcc: required revision is a future revision")
    if token.rv <= store.compacted:
        raise expired(Token(_ENCODING, -1, token.start).text())
    return token.rv


def _limit(text: str) -> int:
    if not text:
        return 0
    try:
        return int(text)
    except ValueError as error:
        message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise bad_request(message) from error


def _check_version(parameters: dict[str, str]) -> None:
    """Check resourceVersion and resourceVersionMatch, and their combination with a token."""
    version = parameters.get("resourceVersion", "")
    match = parameters.get("resourceVersionMatch", "")
    if match:
        _check_match(version, match, continued="continue" in parameters)
    if version and not version.isdecimal():
        why = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise Refusal(failure(500, f"resourceVersion: {why}"))
    if version not in ("", "0") and parameters.get("continue"):
        raise bad_request("specifying resource version is not allowed when using continue")


def _check_match(version: str, match: str, *, continued: bool) -> None:
    field, reason = "resourceVersionMatch", "FieldValueForbidden"
    if not version:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif continued:
        why = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    elif match not in _MATCHES:
        why = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        reason = "FieldValueNotSupported"
    elif match == "Exact" and version == "0":
        why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    else:
        return
    raise invalid_option("ListOptions", Cause(field, why, reason))


def _check_field(resource: Resource, term: FieldTerm) -> None:
    # Every kind can be selected by name and namespace; others need support by the server.
    if term.key in ("metadata.name", "metadata.namespace"):
        return
    if resource == BATCH_JOBS:
        if term.key == "status.successful":
            return
        raise bad_request(f'field label "{term.key}" not supported for batchv1.Job')
    raise bad_request(f"field label not supported: {term.key}")


def _field(document: StoredObject, key: str) -> str:
    """The text of a field that selectors can use."""
    if key == "status.successful":
        return str(document.get("status", {}).get("succeeded", 0))
    return str(document["metadata"].get(key.removeprefix("metadata."), ""))
