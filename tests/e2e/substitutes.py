"""The answers with which an intermediary replaces an API server's answer to a PATCH."""

import json
import random
from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final


class Substitute(StrEnum):
    """The answer that is sent although the server has carried the PATCH out."""

    TOO_MANY = "429"
    TIMEOUT = "408"
    CONFLICT = "409"
    INVALID = "422"
    FORBIDDEN = "403"
    ERROR = "500"
    ANOTHER_OBJECT = "another object"
    """A 200 that shows another object."""
    SECOND_DELIVERY = "second delivery"
    """The PATCH is delivered twice, and the second answer is forwarded."""


_REASONS: Final = {
    Substitute.TOO_MANY: "TooManyRequests",
    Substitute.TIMEOUT: "Timeout",
    Substitute.CONFLICT: "Conflict",
    Substitute.INVALID: "Invalid",
    Substitute.FORBIDDEN: "Forbidden",
    Substitute.ERROR: "InternalError",
}


def at_random(share: float, seed: int) -> Callable[[str, str], Substitute | None]:
    """Replace the answers to this share of the PATCHes, reproducibly by `seed`."""
    generator = random.Random(seed)

    def choose(method: str, _path: str) -> Substitute | None:
        if method != "PATCH" or generator.random() >= share:
            return None
        return generator.choice(list(Substitute))

    return choose


def substituted(substitute: Substitute, answer: tuple[bytes, bytes]) -> bytes:
    """Return the bytes that replace the server's answer (head, body).

    The answer to a PATCH that was not carried out is forwarded unchanged.
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
