"""What the text of a refusal means, where the status is not enough.

An API server answers 500 for errors without a status of their own: an admission webhook that cannot
be reached, a store that does not answer, a patch that cannot be read. Only the text shows whether
the change was certainly not stored, may have been stored, or would be refused again.

A webhook that answers may deny a request with any status from 400 on, including 500 and 503. Its
denial is final.

The phrases are those of the sources named. docs/reference.md shows the table; a test compares them.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from fleetpatch.model.answer import Answer
from fleetpatch.model.text import ELLIPSIS


class Meaning(Enum):
    """What a phrase shows."""

    WEBHOOK_UNREACHABLE = "not stored: sent again; in the end `failed: webhook-unreachable`"
    NOT_STORED = "not stored: sent again"
    MAY_BE_STORED = "in doubt: read"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a 500's message, in lower case, what it shows, and who writes it."""

    text: str
    meaning: Meaning
    source: str


_ADMISSION: Final = "apiserver, admission/plugin/webhook"
_STORE: Final = "etcd, api/v3rpc/rpctypes"
_NETWORK: Final = "Go, net and crypto/tls; from whatever the server asks"

PHRASES: Final = (
    # Admission comes before storage. Whatever failed within the call, nothing was stored.
    Phrase("failed calling webhook", Meaning.WEBHOOK_UNREACHABLE, _ADMISSION),
    Phrase("failed calling admission webhook", Meaning.WEBHOOK_UNREACHABLE, f"{_ADMISSION}, 1.12"),
    Phrase("failed to call webhook", Meaning.WEBHOOK_UNREACHABLE, _ADMISSION),
    Phrase("storage is (re)initializing", Meaning.NOT_STORED, "apiserver, storage/cacher"),
    Phrase(
        "resource quota evaluation timed out",
        Meaning.NOT_STORED,
        "apiserver, admission/plugin/resourcequota",
    ),
    # An object is converted before it is stored, and again to be shown.
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
"""The first one that a message contains decides."""

# Not across the place where a message was cut: a quotation mark may be missing there.
_QUOTED: Final = re.compile(rf"""\"(?:[^"\\{ELLIPSIS}]|\\.)*+\"|(?<!\w)'[^'{ELLIPSIS}]*+'(?!\w)""")
# `etcd-backup` or `my-grpc.example.com` is the name of an object; `etcdserver:` is not.
_NAME_PARTS: Final = re.compile(r"(?<![\w.-])(?:[a-z0-9]++[.-]++)++[a-z0-9]++")

_DENIALS: Final = ("denied the request", "denied request:")
"""Of admission webhooks; of ValidatingAdmissionPolicy (apiserver, admission/plugin/policy)."""


def is_denial(answer: Answer) -> bool:
    """Report whether an admission webhook or policy denied the request."""
    text = _without_quotes(answer.wording)
    return answer.is_status and answer.status >= 400 and any(one in text for one in _DENIALS)  # noqa: PLR2004 - HTTP


def meaning_of(message: str) -> Meaning | None:
    """Return the meaning of the message of a 500; None for a refusal like any other."""
    text = _NAME_PARTS.sub("", _without_quotes(message))
    return next((phrase.meaning for phrase in PHRASES if phrase.text in text), None)


def _without_quotes(message: str) -> str:
    """Return a message in lower case without the names and values of objects, which it quotes."""
    return _QUOTED.sub("", message.lower())
