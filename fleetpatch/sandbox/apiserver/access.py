"""Authentication and authorization: an administrator may do everything, a guest nothing.

Both are identified by bearer tokens. The sandbox serves plain HTTP on loopback, and kubectl sends
no credentials over plain HTTP. So a request without credentials is the administrator's as well,
unless that is switched off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fleetpatch.sandbox.apiserver.routes import Route
from fleetpatch.sandbox.apiserver.statuses import forbidden, unauthorized

ADMIN: Final = "admin"
GUEST: Final = "guest"
_SCHEME: Final = "bearer"


@dataclass(frozen=True, slots=True)
class Access:
    """`users` maps tokens to user names; `anonymous` accepts requests without credentials."""

    users: Mapping[str, str]
    anonymous: bool = True

    def user(self, authorization: str) -> str:
        """The user of an Authorization header. Raises Refusal (401)."""
        if not authorization and self.anonymous:
            return ADMIN
        user = self._bearer(authorization)
        if user is None:
            raise unauthorized()
        return user

    def knows(self, authorization: str) -> bool:
        """Whether an Authorization header has the bearer token of a user."""
        return self._bearer(authorization) is not None

    def token(self, user: str) -> str:
        """The token of an existing user."""
        return next(token for token, name in self.users.items() if name == user)

    def check(self, user: str, verb: str, route: Route) -> None:
        """Raise Refusal (403), with the text of RBAC, if the user may not do this."""
        # There are no roles: the guest only exists to test refusals.
        if user != ADMIN:
            raise forbidden(route.resource, route.name, user, verb, route.namespace)

    def _bearer(self, authorization: str) -> str | None:
        # The scheme is not case-sensitive (RFC 9110, 11.1).
        scheme, _, token = authorization.partition(" ")
        return self.users.get(token.strip()) if scheme.lower() == _SCHEME else None
