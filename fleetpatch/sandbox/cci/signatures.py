"""SDK-HMAC-SHA256: verify that a request was signed with the secret key of a known access key.

The algorithm is the public one of Huawei Cloud's API gateway. It is implemented a second time here,
independently of the signer, so that each tests the other. The *canonical request* has six parts::

    method
    path, decoded and percent-encoded again, with a / at its end
    query, sorted by name and value, decoded and percent-encoded again
    signed headers, `name:value` in lower case and trimmed, a line each, and an empty line
    names of the signed headers, joined with ;
    SHA-256 of the body, in hexadecimal digits

The *string to sign* has three lines: the algorithm, the header `X-Sdk-Date`, and the SHA-256 of the
canonical request. The signature is its HMAC-SHA256 with the secret key.

A header `X-Sdk-Content-Sha256` replaces the last line of the canonical request. It may be
`UNSIGNED-PAYLOAD`, which the gateway's SDKs send for every body that is not `application/json`,
patches included. Then the signature does not protect the body.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from fleetpatch.sandbox.apiserver.api import ApiRequest
from fleetpatch.sandbox.cci.errors import unauthenticated

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE: Final = "x-sdk-date"
MAX_SKEW_SECONDS: Final = 900.0
"""How far a request's date may be before or after our clock: 15 minutes, as on the gateway."""

_CONTENT: Final = "x-sdk-content-sha256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_RAW: Final = "surrogateescape"
"""How aiohttp decodes bytes that are not UTF-8, so that they can be encoded unchanged."""
_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM} +Access=(?P<access>[^\s,]+), *SignedHeaders=(?P<headers>[^\s,]+),"
    r" *Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)


def check(request: ApiRequest, secret_keys: Mapping[str, str], now: float) -> None:
    """Check that `request` was signed with one of `secret_keys`, a mapping by access key.

    `now` is in seconds since the epoch. Raises Refusal (401 of the gateway).
    """
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise unauthenticated("the Authorization header is malformed")
    secret_key = secret_keys.get(found["access"])
    if secret_key is None:
        raise unauthenticated("Get secretKey failed, err: ak not exist")
    names = found["headers"].split(";")
    missing = [name for name in names if name not in request.headers]
    if missing:
        raise unauthenticated(f"the signed header {missing[0]} is missing")
    # The date must be signed: otherwise an old request could be sent again with a new date.
    if DATE not in names:
        raise unauthenticated("X-Sdk-Date is not among the signed headers")
    date = request.headers[DATE]
    if not _is_recent(date, now):
        raise unauthenticated("verify aksk signature fail: signature expired")
    expected = _signature(secret_key, date, _canonical(request, names))
    if not hmac.compare_digest(expected, found["signature"]):
        raise unauthenticated("verify aksk signature fail")


def _is_recent(date: str, now: float) -> bool:
    try:
        signed = datetime.strptime(date, _DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - signed.timestamp()) <= MAX_SKEW_SECONDS


def _signature(secret_key: str, date: str, canonical: bytes) -> str:
    text = f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical).hexdigest()}"
    return hmac.digest(secret_key.encode(), text.encode(), "sha256").hex()


def _canonical(request: ApiRequest, names: list[str]) -> bytes:
    path, _, query = request.target.partition("?")
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    lines = (
        request.method,
        _canonical_path(path),
        _canonical_query(query),
        headers,
        ";".join(names),
        _payload(request),
    )
    return "\n".join(lines).encode(errors=_RAW)


def _canonical_path(path: str) -> str:
    encoded = quote(unquote(path), safe="/~", errors=_RAW)
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: str) -> str:
    # `?pretty` and `?pretty=` are the same parameter, and are signed.
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in pairs)


def _quoted(text: str) -> str:
    return quote(text, safe="~", errors=_RAW)


def _payload(request: ApiRequest) -> str:
    """The last line of the canonical request."""
    digest = hashlib.sha256(request.body).hexdigest()
    header = request.headers.get(_CONTENT, "").strip()
    # The hash is computed here, never taken from the header: otherwise the body could be changed.
    return _UNSIGNED if header == _UNSIGNED and request.body else digest
