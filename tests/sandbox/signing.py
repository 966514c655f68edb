"""Sign requests with the signer of Huawei Cloud's SDK."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

DATE = "%Y%m%dT%H%M%SZ"


class Key(NamedTuple):
    """An access key and its secret key."""

    access: str
    secret: str


def sign(
    key: Key,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    host: str = "cci.example.com",
    now: float | None = None,
) -> dict[str, str]:
    """All headers of the signed request; `path` must be encoded, `query` must not.

    The signer hashes only bodies of JSON, if it finds `Content-Type` in exactly this case. If the
    header is in lower case, it hashes every body.
    """
    moment = datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)
    request = SdkRequest(
        method=method,
        host=host,
        resource_path=path,
        query_params=list(query),
        header_params={"X-Sdk-Date": moment.strftime(DATE), **(headers or {})},
        body=body,
    )
    Signer(BasicCredentials(key.access, key.secret)).sign(request)
    signed: dict[str, str] = request.header_params
    return signed


def encoded(segments: Sequence[str]) -> str:
    """The path of these segments."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments) or "/"
