"""Impersonation: the keys `as`, `as-uid`, `as-groups` and `as-user-extra` of a kubeconfig's user.

They become headers of every request, whatever the user's credentials are. Sources: the Kubernetes
documentation on user impersonation, and client-go's transport/round_trippers.go for the escapes.
"""

import string
from collections.abc import Iterator
from typing import Final

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.context import Context

_NEED_AS: Final = ("as-uid", "as-groups", "as-user-extra")
_UNESCAPED: Final = frozenset((string.ascii_letters + string.digits + "!#$&'*+-.^_`|~").encode())
"""The bytes of an extra's key that stay as they are; all others are percent-encoded."""


def headers(context: Context) -> tuple[tuple[str, str], ...]:
    """Return the headers for the user of `context`; none without impersonation.

    Raises KubeconfigError if `as` is missing, and for a value that no header can contain.
    """
    user = context.user
    if not user.get("as"):
        if alone := next((key for key in _NEED_AS if user.get(key)), None):
            raise KubeconfigError(
                f"{context.where}: `{alone}` needs `as`, the user to impersonate; add it, or"
                f" remove `{alone}`"
            )
        return ()
    found = tuple(_headers(user))
    # A line end in a value would begin another header, perhaps of another identity.
    for name, value in found:
        if not value.isprintable():
            raise KubeconfigError(
                f"{context.where}: the value for {name} contains a line end or a control"
                " character; correct it"
            )
    return found


def _headers(user: dict[str, object]) -> Iterator[tuple[str, str]]:
    yield "Impersonate-User", str(user["as"])
    if uid := user.get("as-uid"):
        yield "Impersonate-Uid", str(uid)
    groups, extra = user.get("as-groups"), user.get("as-user-extra")
    for group in groups if isinstance(groups, list) else ():
        yield "Impersonate-Group", group
    for key, values in extra.items() if isinstance(extra, dict) else ():
        for value in values or ():
            yield f"Impersonate-Extra-{_escaped(key)}", value


def _escaped(key: str) -> str:
    # The name of a header has a limited alphabet, which the server decodes again.
    return "".join(chr(byte) if byte in _UNESCAPED else f"%{byte:02X}" for byte in key.encode())
