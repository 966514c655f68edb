"""The meaning of the text of a refusal, for answers whose status is not enough.

An API server answers 500 to every error without a status of its own: an admission webhook that
cannot be reached, a store that does not answer, a patch that cannot be decoded. Only the text shows
whether the change was certainly not stored, may have been stored, or would be refused again.

A webhook may deny a request with any status from 400 on, including 500 and 503. A denial is final.

Each phrase names its source. docs/reference.md shows the same table; a test compares the two.
"""

import re
from enum import Enum
from typing import Final

import msgspec

from fleetpatch.model.answer import Answer
from fleetpatch.model.text import ELLIPSIS


class Meaning(Enum):
    """The meaning of a phrase; the value is the text of docs/reference.md."""

    WEBHOOK_UNREACHABLE = (
        "not stored: sent again; `failed: webhook-unreachable` when the attempts are used up"
    )
    NOT_STORED = "not stored: sent again"
    MAY_BE_STORED = "in doubt: the object is read"


class Phrase(msgspec.Struct, frozen=True):
    """A part of the message of a 500, in lower case, its meaning, and the code that writes it."""

    text: str
    meaning: Meaning
    source: str


_ADMISSION: Final = "apiserver, admission/plugin/webhook"
_STORE: Final = "etcd, api/v3rpc/rpctypes"
_NETWORK: Final = "Go, net and crypto/tls; about a server that the API server calls"

PHRASES: Final = (
    # Admission comes before storage: if the call failed, for whatever reason, nothing was stored.
    # These come first, because such a message also quotes the network error that is the cause.
    Phrase("failed calling webhook", Meaning.WEBHOOK_UNREACHABLE, _ADMISSION),
    Phrase("failed calling admission webhook", Meaning.WEBHOOK_UNREACHABLE, f"{_ADMISSION}, 1.12"),
    Phrase("failed to call webhook", Meaning.WEBHOOK_UNREACHABLE, _ADMISSION),
    Phrase("storage is (re)initializing", Meaning.NOT_STORED, "apiserver, storage/cacher"),
    Phrase(
        "resource quota evaluation timed out",
        Meaning.NOT_STORED,
        "apiserver, admission/plugin/resourcequota",
    ),
    # An object is converted before it is stored, and again for the answer, so it may be stored.
    Phrase("conversion webhook for", Meaning.MAY_BE_STORED, "apiextensions-apiserver, conversion"),
    Phrase("etcd", Meaning.MAY_BE_STORED, _STORE),
    Phrase("rpc error", Meaning.MAY_BE_STORED, "gRPC, status"),
    Phrase("grpc", Meaning.MAY_BE_STORED, "gRPC, clientconn"),
    Phrase("transport is closing", Meaning.MAY_BE_STORED, "gRPC, internal/transport"),
    Phrase("context deadline", Meaning.MAY_BE_STORED, "Go, context"),
    Phrase("context canceled", Meaning.MAY_BE_STORED, "Go, context"),
    Phrase("connection refused", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("connection reset", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("broken pipe", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("no such host", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("no route to host", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("i/o timeout", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("tls handshake timeout", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("unexpected eof", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("x509:", Meaning.MAY_BE_STORED, _NETWORK),
    Phrase("no endpoints available", Meaning.MAY_BE_STORED, "kube-aggregator and webhook resolver"),
)
"""The first phrase that a message contains decides."""

# A match must not cross the ellipsis of a message that was cut: a quotation mark may be missing.
_QUOTED: Final = re.compile(rf"""\"(?:[^"\\{ELLIPSIS}]|\\.)*+\"|(?<!\w)'[^'{ELLIPSIS}]*+'(?!\w)""")
# `etcd-backup` and `my-grpc.example.com` are names of objects; `etcdserver:` is not. Possessive
# quantifiers, so that long messages do not cause backtracking.
_NAME_PARTS: Final = re.compile(r"(?<![\w.-])(?:[a-z0-9]++[.-]++)++[a-z0-9]++")

_DENIALS: Final = ("denied the request", "denied request:")
"""The texts of admission webhooks, and of ValidatingAdmissionPolicy (admission/plugin/policy)."""


def is_denial(answer: Answer) -> bool:
    """Return whether an admission webhook or policy denied the request."""
    text = _without_quotes(answer.wording)
    return answer.is_status and answer.status >= 400 and any(one in text for one in _DENIALS)  # noqa: PLR2004 - HTTP


def meaning_of(message: str) -> Meaning | None:
    """Return the meaning of the message of a 500; None if it is an ordinary refusal."""
    text = _NAME_PARTS.sub("", _without_quotes(message))
    return next((phrase.meaning for phrase in PHRASES if phrase.text in text), None)


def _without_quotes(message: str) -> str:
    """Return a message in lower case, without the names and values of objects that it quotes."""
    return _QUOTED.sub("", message.lower())
