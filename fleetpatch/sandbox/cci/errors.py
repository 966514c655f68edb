"""The errors of the gateway and of IAM, whose bodies are not Status objects.

The codes and their texts are those of the API gateway's public table of error codes.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from fleetpatch.sandbox.apiserver.statuses import ApiReply, Refusal, encode, ok

_KNOWN: Final = MappingProxyType(
    {
        400: ("APIG.0201", "API request error."),
        401: ("APIG.0301", "Incorrect IAM authentication information: decrypt token fail"),
        403: ("APIG.0302", "The IAM user is not authorized to access the API."),
        404: (
            "APIG.0101",
            "The API does not exist or has not been published in the environment.",
        ),
        405: ("APIG.0101", "The API does not exist."),
        413: ("APIG.0201", "Request entity too large."),
        429: ("APIG.0308", "The throttling threshold has been reached."),
        502: ("APIG.0202", "Backend unavailable."),
        504: ("APIG.0201", "Backend timeout."),
    }
)
_OTHER: Final = ("APIG.0201", "An unexpected error occurred.")
_TITLES: Final = MappingProxyType({400: "Bad Request", 401: "Unauthorized"})


def gateway_error(
    status: int, message: str = "", *, headers: Mapping[str, str] | None = None
) -> ApiReply:
    """An error of the gateway; without `message` it has the text of the table."""
    code, text = _KNOWN.get(status, _OTHER)
    body = encode({"error_msg": message or text, "error_code": code})
    return ApiReply(status, body, headers=headers or {})


def unauthenticated(why: str) -> Refusal:
    """401 of the gateway: the credentials are missing, unknown or wrong."""
    message = f"Incorrect IAM authentication information: {why}"
    return Refusal(gateway_error(HTTPStatus.UNAUTHORIZED, message))


def iam_error(status: int, message: str) -> ApiReply:
    """An error of IAM."""
    return ok({"error": {"code": status, "message": message, "title": _TITLES[status]}}, status)
