"""What an intermediary hands on in place of the API server's answer to a PATCH."""

import json
import random
from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final


class Substitute(StrEnum):
    """The server has carried the PATCH out; this is answered instead."""

    TOO_MANY = "429"
    TIMEOUT = "408"
    CONFLICT = "409"
    INVALID = "422"
    FORBIDDEN = "403"
    ERROR = "500"
    ANOTHER_OBJECT = "another object"
    """A 200 that shows another object."""
    SECOND_DELIVERY = "second delivery"
    """The PATCH is delivered twice, and the second answer is handed on."""


_REASONS: Final = {
    Substitute.TOO_MANY: "TooManyRequests",
    Substitute.TIMEOUT: "Timeout",
    Substitute.CONFLICT: "Conflict",
    Substitute.INVALID: "Invalid",
    Substitute.FORBIDDEN: "Forbidden",
    Substitute.ERROR: "InternalError",
}


def at_random(share: float, seed: int) -> Callable[[str, str], Substitute | None]:
    """Replace the answers to this share of the PATCHes; the same ones for the same seed."""
    generator = random.Random(seed)

    def choose(method: str, _path: str) -> Substitute | None:
        if method != "PATCH" or generator.random() >= share:
            return None
        return generator.choice(list(Substitute))

    return choose


def substituted(substitute: Substitute, answer: tuple[bytes, bytes]) -> bytes:
    """The bytes of another answer in place of the server's own, (head, body).

    A PATCH that was not carried out is answered as the server did: nothing else would be true.
    """
    was_applied = answer[0].split()[1] == b"200"
    if substitute is Substitute.SECOND_DELIVERY or not was_applied:
        return b"".join(answer)
    if substitute is Substitute.ANOTHER_OBJECT:
        return _another_object(answer)
    status = int(substitute)
    reason = _REASONS[substitute]
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason}
    return _message(status, {**body, "message": "from the intermediary", "code": status})


def _another_object(answer: tuple[bytes, bytes]) -> bytes:
    head, body = answer
    shown = json.loads(_unchunked(body) if b"chunked" in head else body)
    shown["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "name": "another"}
    return _message(200, shown)


def _message(status: int, document: Any) -> bytes:
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not (length := int(size, 16)):
            return whole
        whole, body = whole + body[:length], body[length + 2 :]
