"""Access keys: every request is signed (SDK-HMAC-SHA256), and nothing ever expires.

The signer is that of `huaweicloudsdkcore`, the only thing used of it; it comes with the extra
`fleetpatch[huaweicloud]`. A signature covers method, path, query, host, date, project, content type
and body. The gateway knows the secret key, too, and accepts dates within a quarter of an hour.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from yarl import URL

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.connection import Grant, Signature
from fleetpatch.model.plan.auth import AkSkAuth

LARGEST_BODY: Final = 12 * 1024 * 1024
"""Bytes of a body that the gateway checks the signature of."""

_DATE: Final = "%Y%m%dT%H%M%SZ"


def grant(auth: AkSkAuth, around: LoginEnvironment) -> Grant:
    """Make the grant that signs. Raises CredentialsError: no variable, or not the package."""
    access = around.for_header(auth.access_key_env, "the access key's id (AK)")
    secret = around.for_header(auth.secret_key_env, "the secret key (SK)")
    signing = _Signing(_KeyPair(access, secret), auth.project, around)
    return Grant(tls=around.tls, sign=signing.sign, secrets=(secret, access))


@dataclass(frozen=True, slots=True)
class _KeyPair:
    """What the package's signer wants to be given."""

    ak: str = field(repr=False)
    sk: str = field(repr=False)


class _Signing:
    """One access key, ready to sign."""

    def __init__(self, keys: _KeyPair, project: str, around: LoginEnvironment) -> None:
        try:
            # Deferred: an extra, and 40 ms that all others are spared.
            from huaweicloudsdkcore.sdk_request import SdkRequest  # noqa: PLC0415 - see above
            from huaweicloudsdkcore.signer.signer import Signer  # noqa: PLC0415 - see above
        except ImportError:
            raise CredentialsError(
                f"{around.where}: `auth.aksk` needs the package huaweicloudsdkcore; "
                "pip install 'fleetpatch[huaweicloud]'"
            ) from None
        self._signer: Any = Signer(keys)
        self._request: Any = SdkRequest
        self._project = project
        self._around = around

    def sign(self, method: str, url: URL, body: bytes, content_type: str) -> Signature:
        """See `fleetpatch.kube.connection.Sign`."""
        if len(body) > LARGEST_BODY:
            raise CredentialsError(
                f"{self._around.where}: a body of {len(body):,} bytes cannot be signed, "
                f"{LARGEST_BODY:,} is the most; patch less at once, or log in by a token"
            )
        headers = {
            "Host": url.host_port_subcomponent or "",
            # The signer itself would ask the machine's clock, in a way that Python warns of.
            "X-Sdk-Date": time.strftime(_DATE, time.gmtime(self._around.clock.wall())),
            "X-Project-Id": self._project,
        }
        # In lower case, for the signer leaves out the body of each `Content-Type` but plain JSON.
        signed: dict[str, str] = headers | ({"content-type": content_type} if content_type else {})
        request = self._request(
            method=method,
            resource_path=url.raw_path,
            query_params=parse_qsl(url.raw_query_string, keep_blank_values=True),
            header_params=signed,
            body=body,
        )
        self._signer.sign(request)
        authorization = signed["Authorization"]
        return Signature(
            headers | {"Authorization": authorization}, authorization.rpartition("=")[2]
        )
