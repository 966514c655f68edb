"""Bodies of answers, as the functions that decode them take them."""

import json
from typing import Any

from fleetpatch.kube.http.decoding import Raw

DEEP = b"[" * 1200 + b"]" * 1200
METADATA = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "1"}


def raw(body: Any, status: int = 200, *, secrets: tuple[str, ...] = (), **headers: str) -> Raw:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Raw(status, content, headers=headers, secrets=secrets)


def deep(document: Any) -> bytes:
    """Encode a document; where it says "@", a list is nested 1,200 levels deep."""
    return json.dumps(document).encode().replace(b'"@"', DEEP)
