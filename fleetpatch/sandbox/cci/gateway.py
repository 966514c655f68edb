"""The gateway before the API: who somebody is, and which query parameters there are.

One of these must open it, and the first that a request has decides:

| header | holds |
|---|---|
| `X-Auth-Token` | a token of IAM that has not expired, or the one of the credentials file |
| `Authorization: SDK-HMAC-SHA256 ...` | a signature (`fleetpatch.sandbox.cci.signatures`) |
| `Authorization: Bearer ...` | a token of the kubeconfig, with which Kubernetes clients come |

kubectl is not among those clients: it keeps its tokens to itself on plain HTTP.

Beyond it a request is the administrator's, but for a bearer token's, which is its user's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from fleetpatch.model.providers.tables import CCI
from fleetpatch.sandbox.apiserver.api import Api, ApiRequest
from fleetpatch.sandbox.apiserver.routes import find_route
from fleetpatch.sandbox.apiserver.statuses import ApiReply, Refusal
from fleetpatch.sandbox.cci import iam, signatures
from fleetpatch.sandbox.cci.credentials import IssuedCredentials, are_same
from fleetpatch.sandbox.cci.errors import gateway_error, unauthenticated

_TOKEN: Final = "x-auth-token"  # noqa: S105 -- the name of a header
_PROJECT: Final = "x-project-id"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway before one API; `wall` tells the time, in seconds since the epoch."""

    api: Api
    iam: iam.Iam
    credentials: IssuedCredentials
    wall: Callable[[], float]

    def answer(self, request: ApiRequest) -> ApiReply:
        """Answer a request: itself, by IAM, or by the API."""
        if (request.method, request.path) == ("POST", iam.PATH):
            return self.iam.answer(request.body)
        try:
            admitted = self._admitted(request)
            _check_parameters(request)
        except Refusal as refusal:
            return refusal.reply
        return self.api.answer(admitted)

    def revoke(self) -> None:
        """Let all tokens that IAM handed out so far expire."""
        self.iam.tokens.revoke()

    def _admitted(self, request: ApiRequest) -> ApiRequest:
        """The request as the API is to see it. Raises Refusal (401)."""
        token = request.headers.get(_TOKEN)
        scheme = request.authorization.partition(" ")[0]
        if token is not None:
            if not self._opens(token):
                raise unauthenticated("decrypt token fail")
        elif scheme == signatures.ALGORITHM:
            self._check_signature(request)
        elif scheme.lower() == "bearer":
            if not self.api.access.knows(request.authorization):
                raise unauthenticated("decrypt token fail")
            return request
        else:
            raise unauthenticated("x-auth-token not found")
        rest = {name: value for name, value in request.headers.items() if name != "authorization"}
        return replace(request, headers=rest)

    def _opens(self, token: str) -> bool:
        return are_same(token, self.credentials.token) or self.iam.tokens.is_good(token)

    def _check_signature(self, request: ApiRequest) -> None:
        known = self.credentials
        signatures.check(request, {known.access_key: known.secret_key}, self.wall())
        project = request.headers.get(_PROJECT, known.project)
        if project not in (known.project, iam.identifier(known.project)):
            raise unauthenticated("the project of X-Project-Id is not one of the access key's")


def _check_parameters(request: ApiRequest) -> None:
    """Check that a PATCH has no query parameters but those of its kind. Raises Refusal (400)."""
    if request.method != "PATCH":
        return
    capability = CCI.capability(find_route(request.path).resource)
    if capability is None:
        return
    unknown = sorted(set(request.parameters) - set(capability.query))
    if unknown:
        told = f"API request error: no such query parameter here: {', '.join(unknown)}"
        raise Refusal(gateway_error(HTTPStatus.BAD_REQUEST, told))
