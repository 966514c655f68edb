"""SDK-HMAC-SHA256, written from its public description alone.

::

    canonical = METHOD, path with a slash at its end, sorted query, each signed header as
                `name:value` with a line end, the names of the signed headers, SHA-256 of the body
    to sign   = algorithm, X-Sdk-Date, SHA-256 of the canonical request
    signature = HMAC-SHA256(secret key, to sign)

Each part is on a line of its own; hashes are in lower-case hex; path and query are quoted but for
letters, digits and `-_.~`.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Access=(?P<access>\S+), SignedHeaders=(?P<names>\S+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


def authorization(
    method: str, target: str, headers: Mapping[str, str], body: bytes, access: str, secret: str
) -> str:
    """Give the header that is right for a request as it came.

    Names of `headers` are in lower case; `authorization` names those that are signed.
    """
    found = _AUTHORIZATION.fullmatch(headers["authorization"])
    assert found is not None, "the header is well formed"
    names = found["names"].split(";")
    path, _, query = target.partition("?")
    canonical = "\n".join(
        [
            method,
            _quoted(path).removesuffix("/") + "/",
            "&".join(f"{name}={value}" for name, value in sorted(_pairs(query))),
            *(f"{name}:{headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{headers['x-sdk-date']}\n{hashed}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={access}, SignedHeaders={';'.join(names)}, Signature={signature}"


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        yield _quoted(name, safe=""), _quoted(value, safe="")


def _quoted(text: str, safe: str = "/") -> str:
    return quote(unquote(text), safe=f"-_.~{safe}")
