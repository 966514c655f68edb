"""What the tool and its child process tell each other: JSON, each message with its length before.

JSON and not msgpack, since an object may have numbers of more than 64 bits.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from fleetpatch.cel.program import Parts, Result, Rows, Texts

HEADER: Final = struct.Struct(">I")


class Setup(msgspec.Struct, array_like=True):
    """The first message: the plan's expressions and tables; `now` in seconds since the epoch.

    `memory` is what the process may use beyond what it has then, in bytes.
    """

    texts: Texts
    tables: Mapping[str, Rows]
    now: float
    memory: int


class Batch(msgspec.Struct, array_like=True):
    """Objects to evaluate: for each the values of the variables that differ between objects.

    `seconds` is the CPU time that the process may use for them.
    """

    cluster: str
    block: int
    parts: Parts
    seconds: float
    data: Sequence[Mapping[str, Any]]


encode: Final = msgspec.json.Encoder().encode
results: Final = msgspec.json.Decoder(list[Result])


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return HEADER.pack(len(message)) + message
