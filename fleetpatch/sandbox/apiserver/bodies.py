"""Decode the bodies of POST, PUT and DELETE, with the errors of a real server."""

from typing import Any, Final, TypeVar

import msgspec

from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.decoding import decoded
from fleetpatch.sandbox.apiserver.statuses import (
    JSON,
    bad_request,
    too_large,
    unsupported_media_type,
)

_T = TypeVar("_T")
_KNOWN: Final = ("", JSON)


class DeleteOptions(msgspec.Struct, rename="camel"):
    """The body of a DELETE; only the fields that the sandbox supports."""

    dry_run: list[str] | None = None
    preconditions: dict[str, str | None] | None = None


MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""The maximum size of a body (kube-apiserver, `MaxRequestBodyBytes`)."""


def check_size(body: bytes) -> None:
    """Raise Refusal (413) for a body that is too large."""
    if len(body) > MAX_BODY_BYTES:
        raise too_large(f"limit is {MAX_BODY_BYTES}")


def media_type(content_type: str) -> str:
    """A content type without its parameters."""
    return content_type.partition(";")[0].strip()


def check_json(content_type: str) -> None:
    """Raise Refusal (415) for a POST whose content type is not JSON; it may be absent."""
    if media_type(content_type) not in _KNOWN:
        raise unsupported_media_type(_KNOWN[1:], custom=True)


def whole_object(resource: Resource, body: bytes) -> dict[str, Any]:
    """Decode the body of a POST or PUT; a missing apiVersion or kind is added.

    Raises Refusal (400).
    """
    # The path decides about the kind, so a body may leave it out.
    wanted = {"apiVersion": resource.api_version, "kind": resource.kind}
    raw = wanted | _decoded(body, dict[str, Any], resource.kind)
    # For custom resources, another kind is found when the object is decoded, with another answer.
    fields = ("apiVersion",) if discovery.is_custom(resource) else ("apiVersion", "kind")
    for field in fields:
        if raw[field] != wanted[field]:
            raise bad_request(
                f"the {field} in the data ({raw[field]}) does not match the expected one"
                f" ({wanted[field]})"
            )
    return raw


def delete_options(body: bytes) -> DeleteOptions:
    """Decode the body of a DELETE, which may be empty. Raises Refusal (400)."""
    return _decoded(body or b"{}", DeleteOptions, "DeleteOptions")


def _decoded(body: bytes, wanted: type[_T], kind: str) -> _T:
    try:
        value: _T = decoded(body, wanted)
    except msgspec.DecodeError as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get"
            f" version/kind; json parse error: {error}"
        ) from error
    return value
