"""The answers of the sandbox as values: replies, and the Status bodies of refusals.

A handler returns an `ApiReply`, or raises a `Refusal` that contains one. The texts are those of
kube-apiserver, because people and programs read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec

from fleetpatch.errors import FleetpatchError
from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class ApiReply:
    """A complete HTTP answer; `headers` has all except Content-Type and Content-Length."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a Status's `details.causes`."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Refusal(FleetpatchError):
    """Ends the handling of a request; `reply` is the answer."""

    def __init__(self, reply: ApiReply) -> None:
        super().__init__(f"{reply.status} {reply.body.decode()}")
        self.reply = reply


def ok(document: Json, status: int = HTTPStatus.OK) -> ApiReply:
    """A reply with a JSON document."""
    return ApiReply(status, encode(document))


def text(status: int, body: str) -> ApiReply:
    """A reply with plain text."""
    return ApiReply(status, body.encode(), TEXT)


def failure(
    code: int,
    message: str,
    reason: str = "",
    details: Json = None,
    *,
    metadata: Json = None,
    headers: Mapping[str, str] | None = None,
) -> ApiReply:
    """A Status of failure; an empty `reason` and `details` None leave those fields out."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": metadata or {},
        "status": "Failure",
        "message": message,
    }
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    return ApiReply(code, encode({**status, "code": code}), headers=headers or {})


def details_of(resource: Resource, name: str = "", *, kind: str = "") -> Json:
    """The `details` of a Status about an object; `kind` is the plural unless it is given."""
    # The server writes the plural here, although the field is called kind. Empty fields are left
    # out (`omitempty` of Go).
    parts = {"name": name, "group": resource.group, "kind": kind or resource.plural}
    return {key: value for key, value in parts.items() if value}


def bad_request(message: str) -> Refusal:
    """400, with a message only."""
    return Refusal(failure(HTTPStatus.BAD_REQUEST, message, "BadRequest"))


def unauthorized() -> Refusal:
    """401: the credentials are missing or unknown."""
    return Refusal(failure(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized"))


def forbidden(resource: Resource, name: str, user: str, verb: str, namespace: str) -> Refusal:
    """403, with the text of RBAC; an empty `namespace` is the cluster scope."""
    what = f'{resource.name} "{name}"' if name else resource.name
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = (
        f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource.plural}"'
        f' in API group "{resource.group}" {where}'
    )
    details = details_of(resource, name)
    return Refusal(failure(HTTPStatus.FORBIDDEN, message, "Forbidden", details))


def not_found(resource: Resource, name: str) -> Refusal:
    """404: the kind is served, but the object does not exist."""
    message = f'{resource.name} "{name}" not found'
    return Refusal(failure(HTTPStatus.NOT_FOUND, message, "NotFound", details_of(resource, name)))


def no_such_resource() -> Refusal:
    """404 of a built-in group: the resource does not exist."""
    message = "the server could not find the requested resource"
    return Refusal(failure(HTTPStatus.NOT_FOUND, message, "NotFound", {}))


def no_such_page() -> Refusal:
    """404 in plain text: the path has no handler, as for custom kinds that are not served."""
    return Refusal(text(HTTPStatus.NOT_FOUND, "404 page not found\n"))


def method_not_allowed() -> Refusal:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return Refusal(failure(HTTPStatus.METHOD_NOT_ALLOWED, message, "MethodNotAllowed", {}))


def not_acceptable(message: str) -> Refusal:
    """406."""
    return Refusal(failure(HTTPStatus.NOT_ACCEPTABLE, message, "NotAcceptable"))


def already_exists(resource: Resource, name: str) -> Refusal:
    """409 on creation."""
    message = f'{resource.name} "{name}" already exists'
    details = details_of(resource, name)
    return Refusal(failure(HTTPStatus.CONFLICT, message, "AlreadyExists", details))


def conflict(resource: Resource, name: str, why: str = "", *, kind: str = "") -> Refusal:
    """409: the object has another uid or a newer version than the request expects."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version"
        " and try again"
    )
    about = f"{kind}.{resource.group}" if kind else resource.name
    message = f'Operation cannot be fulfilled on {about} "{name}": {why}'
    details = details_of(resource, name, kind=kind)
    return Refusal(failure(HTTPStatus.CONFLICT, message, "Conflict", details))


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> Refusal:
    """409: an apply would change fields of other owners; `conflicts` are (owner, field), sorted."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": field}
        for owner, field in conflicts
    ]
    # The server groups several conflicts by manager, a line for each field.
    if len(conflicts) == 1:
        summary = f"1 conflict: conflict with {conflicts[0][0]}: {conflicts[0][1]}"
    else:
        owners = dict.fromkeys(owner for owner, _ in conflicts)
        lines = [
            line
            for each in owners
            for line in (
                f"conflicts with {each}:",
                *(f"- {field}" for owner, field in conflicts if owner == each),
            )
        ]
        summary = f"{len(conflicts)} conflicts: " + "\n".join(lines)
    message = f"Apply failed with {summary}"
    return Refusal(failure(HTTPStatus.CONFLICT, message, "Conflict", {"causes": causes}))


def expired(token: str) -> Refusal:
    """410: the continue token is too old; `token` continues from its key at the newest version."""
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can"
        " start a new list without the continue parameter, or use the continue token in this"
        " response to retrieve the remainder of the results. Continuing with the provided token"
        " results in an inconsistent list - objects that were created, modified, or deleted"
        " between the time the first chunk was returned and now may show up in the list."
    )
    return Refusal(failure(HTTPStatus.GONE, message, "Expired", metadata={"continue": token}))


def unsupported_media_type(accepted: Sequence[str], *, custom: bool) -> Refusal:
    """415 for a PATCH, with the text for a custom resource or for a built-in one."""
    if custom:
        kinds = ", ".join(accepted)
        message = (
            "the body of the request was in an unknown format - accepted media types include: "
        ) + kinds
        return Refusal(failure(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, "UnsupportedMediaType"))
    return Refusal(
        failure(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "415: Unsupported Media Type",
            "UnsupportedMediaType",
            {},
        )
    )


def too_large(message: str) -> Refusal:
    """413."""
    message = f"Request entity too large: {message}"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return Refusal(failure(status, message, "RequestEntityTooLarge"))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> Refusal:
    """422 with its causes."""
    about = f"{kind}.{group}" if group else kind
    listed = str(causes[0]) if len(causes) == 1 else f"[{', '.join(map(str, causes))}]"
    parts = {"name": name, "group": group, "kind": kind}
    details: Json = {key: value for key, value in parts.items() if value}
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    # The format of field.ErrorList.ToAggregate: brackets only around several causes.
    message = f'{about} "{name}" is invalid: {listed}'
    return Refusal(failure(HTTPStatus.UNPROCESSABLE_ENTITY, message, "Invalid", details))


def invalid_option(options: str, cause: Cause) -> Refusal:
    """422 for a query parameter; `options` is the kind of the options, such as `PatchOptions`."""
    return invalid("meta.k8s.io", options, "", [cause])


def undecodable(document: Json, error: str) -> Refusal:
    """422 for a patched object that is not of its kind any more; it quotes the whole object."""
    # Encoded twice: the object's JSON is quoted as a JSON string.
    quoted = encode(encode(document).decode()).decode()
    return invalid("", "", "", [Cause("patch", f"Invalid value: {quoted}: {error}")])


def rejected() -> Refusal:
    """422 for a JSON Patch that cannot be applied; the server does not say why."""
    message = "the server rejected our request due to an error in our request"
    return Refusal(failure(HTTPStatus.UNPROCESSABLE_ENTITY, message, "Invalid", {}))


def internal_error(message: str) -> Refusal:
    """500 without a reason, as the real server answers to some malformed input."""
    return Refusal(failure(HTTPStatus.INTERNAL_SERVER_ERROR, message))
