"""Access keys: each request is signed (SDK-HMAC-SHA256), and the keys do not expire.

A signature covers method, path, query, host, date, project, content type and body. The gateway
knows the secret key and signs, too; it accepts dates that differ by up to 15 minutes from its own.

The signer is that of `huaweicloudsdkcore`, which the extra `fleetpatch[huaweicloud]` installs.
Nothing else of that package is used.
"""

import time
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from yarl import URL

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.connection import Grant, Signature
from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.plan.auth import MAX_SIGNED_BODY_BYTES, AkSkAuth

_DATE: Final = "%Y%m%dT%H%M%SZ"


def grant(auth: AkSkAuth, environment: LoginEnvironment) -> Grant:
    """Return a grant that signs each request.

    Raises CredentialsError if a variable is not set or the package is not installed.
    """
    access = environment.read_header_value(auth.access_key_env, "the access key's id (AK)")
    secret = environment.read_header_value(auth.secret_key_env, "the secret key (SK)")
    signer = _Signer(_KeyPair(access, secret), auth.project, environment)
    return Grant(tls=environment.tls, sign=signer.sign, secrets=(secret, access))


class _KeyPair(PartialRepr, frozen=True):
    """The access key in the form that the package's signer reads."""

    _printed: ClassVar = ()

    ak: str
    sk: str


class _Signer:
    """Signs requests with one access key."""

    def __init__(self, keys: _KeyPair, project: str, environment: LoginEnvironment) -> None:
        try:
            # Deferred: the package is optional, and importing it takes 40 ms.
            from huaweicloudsdkcore.sdk_request import SdkRequest  # noqa: PLC0415 - see above
            from huaweicloudsdkcore.signer.signer import Signer  # noqa: PLC0415 - see above
        except ImportError:
            raise CredentialsError(
                f"{environment.where}: `auth.aksk` needs the package huaweicloudsdkcore; "
                "pip install 'fleetpatch[huaweicloud]'"
            ) from None
        self._signer: Any = Signer(keys)
        self._request: Any = SdkRequest
        self._project = project
        self._environment = environment

    def sign(self, method: str, url: URL, body: bytes, content_type: str) -> Signature:
        """See `fleetpatch.kube.connection.Sign`."""
        if len(body) > MAX_SIGNED_BODY_BYTES:
            raise CredentialsError(
                f"{self._environment.where}: a body of {len(body):,} bytes cannot be signed; the"
                f" limit is {MAX_SIGNED_BODY_BYTES:,}; patch less at once, or log in with a token"
            )
        headers = {
            "Host": url.host_port_subcomponent or "",
            # Without this header the signer would call datetime.utcnow, which Python deprecates.
            "X-Sdk-Date": time.strftime(_DATE, time.gmtime(self._environment.clock.wall())),
            "X-Project-Id": self._project,
        }
        # The name in lower case: with `Content-Type` the signer signs only bodies of plain JSON,
        # and a merge patch has another type.
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
