"""Replay recorded conversations with a real server against the sandbox, and compare the answers.

Recorded uids, resource versions and times are placeholders (tests/recorded/README.md). A request
with a placeholder gets the value that the sandbox answered in its place. In the sandbox's answers
each such value must stand for the same placeholder throughout a conversation. So a version that
changes, or does not change, as on the real server, is part of the comparison.

Not compared: texts of messages, except who owns a field in a conflict; repeated causes of a Status;
the order of `managedFields`, which follows from the times; the versions of lists, and the texts of
their tokens.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from fleetpatch.sandbox.apiserver.access import Access
from fleetpatch.sandbox.apiserver.api import Api, ApiRequest
from fleetpatch.sandbox.apiserver.discovery import SERVED
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import ApiReply
from fleetpatch.sandbox.apiserver.store import Store
from fleetpatch.sandbox.apiserver.writes import Writes

_PLACEHOLDER = re.compile(r"(?:UID|RV)[0-9]+")
_UID = re.compile(r"[0-9a-f]{8}-0000-4000-8000-000000000000")
_TIME = re.compile(r'"20[0-9-]{8}T[0-9:.]+Z"')
_NOW = "2026-03-01T08:00:00Z"
_NOW_IN_LEASES = "2026-03-01T08:00:00.000000Z"
_UNKNOWN_VERSION = "5"
"""Stands for a recorded version that no answer of the conversation contains."""


class Exchange(msgspec.Struct, rename="camel"):
    """A line of the recording; a `raw` body is text instead of a JSON value."""

    server: str
    conversation: str
    method: str
    path: str
    status: int
    answer: msgspec.Raw
    content_type: str = ""
    accept: str = "application/json"
    body: msgspec.Raw = msgspec.Raw()
    raw: bool = False


class Differing(NamedTuple):
    """An exchange that the sandbox answers in another way."""

    exchange: Exchange
    status: int
    answer: Any

    def __str__(self) -> str:
        sent = f"{self.exchange.conversation}: {self.exchange.method} {self.exchange.path}"
        recorded = f"{self.exchange.status} {bytes(self.exchange.answer).decode()}"
        body = bytes(self.exchange.body).decode()
        return f"{sent} {body}\n  recorded: {recorded}\n  sandbox: {self.status} {self.answer}"


def differing(exchanges: Iterable[Exchange], release: Release) -> Iterator[Differing]:
    """Replay all exchanges with one server, and yield those that the sandbox answers otherwise."""
    numbers = count(1)
    now = datetime.fromisoformat(_NOW).replace(tzinfo=UTC).timestamp()
    writes = Writes(
        Store(SERVED),
        lambda: f"{next(numbers):08x}-0000-4000-8000-000000000000",
        release,
        lambda: now,
    )
    api = Api(writes.store, writes, Access({}))
    conversation = _Conversation(api)
    name = ""
    for exchange in exchanges:
        if exchange.conversation != name:
            name, conversation = exchange.conversation, _Conversation(api)
        found = conversation.answered_otherwise(exchange)
        if found is not None:
            yield found


class _Conversation:
    """One conversation with the sandbox; the numbers of its placeholders are its own."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._values: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}
        self._equal: set[tuple[bytes, bytes]] = set()
        """Pairs of answers that were compared before: most reads are repeated."""

    def answered_otherwise(self, exchange: Exchange) -> Differing | None:
        reply = self._api.answer(self._request(exchange))
        pair = (reply.body, bytes(exchange.answer))
        if reply.status == exchange.status and pair in self._equal:
            return None
        recorded = msgspec.json.decode(exchange.answer)
        self._learn(recorded, reply)
        answer = self._shown(reply)
        if reply.status == exchange.status and _comparable(answer) == _comparable(recorded):
            self._equal.add(pair)
            return None
        return Differing(exchange, reply.status, answer)

    def _request(self, exchange: Exchange) -> ApiRequest:
        url = urlsplit(exchange.path)
        body = bytes(exchange.body)
        if exchange.raw:
            body = msgspec.json.decode(body, type=str).encode()
        else:
            text = _PLACEHOLDER.sub(self._value, body.decode())
            now = _NOW_IN_LEASES if "/leases" in exchange.path else _NOW
            body = text.replace('"TIME"', f'"{now}"').encode()
        headers = {"accept": exchange.accept, "content-type": exchange.content_type}
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        return ApiRequest(
            exchange.method, unquote(url.path), parameters, headers, body, exchange.path
        )

    def _value(self, placeholder: re.Match[str]) -> str:
        return self._values.get(placeholder[0], _UNKNOWN_VERSION)

    def _learn(self, recorded: Any, reply: ApiReply) -> None:
        """Learn for what new placeholders stand, from an object or from the objects of a list."""
        if not isinstance(recorded, dict) or not reply.body.startswith(b"{"):
            return
        answered = msgspec.json.decode(reply.body)
        self._learn_from(recorded, answered)
        pairs = zip(recorded.get("items") or (), answered.get("items") or (), strict=False)
        for one, other in pairs:
            self._learn_from(one, other)

    def _learn_from(self, recorded: Any, answered: Any) -> None:
        for part in ("metadata", "details"):
            one, other = (each.get(part) or {} for each in (recorded, answered))
            for field in ("uid", "resourceVersion"):
                placeholder, value = one.get(field, ""), other.get(field, "")
                is_new = placeholder not in self._values and value not in self._placeholders
                if is_new and _PLACEHOLDER.fullmatch(placeholder) and value:
                    self._values[placeholder] = value
                    self._placeholders[value] = placeholder

    def _shown(self, reply: ApiReply) -> Any:
        """The sandbox's answer with placeholders."""
        if not reply.body.startswith(b"{"):
            return reply.body.decode()
        text = _UID.sub(self._placeholder, _TIME.sub('"TIME"', reply.body.decode()))
        answer = msgspec.json.decode(text)
        for each in (answer, *(answer.get("items") or ())):
            metadata = each.get("metadata") or {}
            if version := metadata.get("resourceVersion"):
                metadata["resourceVersion"] = self._placeholders.get(version, version)
        return answer

    def _placeholder(self, uid: re.Match[str]) -> str:
        return self._placeholders.get(uid[0], uid[0])


def _comparable(answer: Any) -> Any:
    """What is compared of an answer; the rest of it is left out."""
    if not isinstance(answer, dict):
        return answer
    if answer.get("kind") == "Status":
        return {**answer, "message": "", "details": _details(answer.get("details") or {})}
    metadata = answer.get("metadata") or {}
    if "items" in answer:
        items = [_comparable(item) for item in answer["items"] or ()]
        more = bool(metadata.get("continue"))
        return {
            **answer,
            "items": items if answer["items"] is not None else None,
            "metadata": {**metadata, "resourceVersion": "", "continue": more},
        }
    owners = sorted(map(_sorted, metadata.get("managedFields", ())))
    return {**answer, "metadata": {**metadata, "managedFields": owners}}


def _details(details: Any) -> Any:
    causes = {
        (
            cause["field"],
            cause["reason"],
            cause["message"] if cause["reason"] == "FieldManagerConflict" else "",
        )
        for cause in details.get("causes", ())
    }
    return {**details, "causes": causes}


def _sorted(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
