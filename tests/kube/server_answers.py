"""Answers of current API servers, as they are written on the wire.

Each has the headers that a server of Kubernetes 1.36 adds. The functions of kubernetes/kubernetes
that write them are named beside them.
"""

from typing import Any

from tests.kube.peers import http, status

PRIORITY_LEVEL = {
    "X_Kubernetes_PF_FlowSchema_UID": "8f1f4b63-6a0e-4f0b-9d7c-2f3b1a0c9e55",
    "X_Kubernetes_PF_PriorityLevel_UID": "0d9f2c7e-51c4-4a55-8d3e-7c6c1b0b8a11",
}
"""Headers of every answer that passed Priority and Fairness, and of its own refusals."""

COMMON = {
    "Audit_Id": "5c1f3f0a-7b52-4c0b-8a5e-0f3a6f2b9d10",
    "Cache_Control": "no-cache, private",
    **PRIORITY_LEVEL,
}

_TEXT = {"Content_Type": "text/plain; charset=utf-8", "X_Content_Type_Options": "nosniff"}


def refusal(code: int, reason: str, message: str, details: Any = None, **headers: str) -> bytes:
    """Write a Status with the headers of a server."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
    body |= {"status": "Failure", "message": message, "reason": reason, "code": code}
    if details is not None:
        body["details"] = details
    return http(code, body, **COMMON, **headers)


def text(code: int, message: str, **headers: str) -> bytes:
    """Write an answer of plain text (Go, `http.Error`) with the headers of a server."""
    return http(code, f"{message}\n".encode(), **COMMON, **_TEXT, **headers)


# storage/cacher, `errors.NewTooManyRequests`: the watch cache is filled after a start.
STORAGE_INITIALIZING = refusal(
    429,
    "TooManyRequests",
    "storage is (re)initializing",
    {"retryAfterSeconds": 1},
    Retry_After="1",
)

# server/filters, `tooManyRequests`: the queues of the priority level are full.
PRIORITY_AND_FAIRNESS = text(429, "Too many requests, please try again later.", Retry_After="4")

# server/filters, `WithRetryAfter`, with --shutdown-send-retry-after.
SHUTTING_DOWN = text(
    429,
    "The apiserver is shutting down, please try again later.",
    Retry_After="5",
    Connection="close",
)

# server/filters, `waitGroupWriteRetryAfterToResponse`: the server waits for its last requests.
SHUT_DOWN = text(503, "apiserver is shutting down", Retry_After="1", Connection="close")

# server/filters, `WithTimeoutForNonLongRunningRequests`.
TIMEOUT = refusal(
    504,
    "Timeout",
    "Timeout: request did not complete within requested timeout - context deadline exceeded",
    {},
)

# api/errors, `NewServerTimeout`.
SERVER_TIMEOUT = refusal(
    500,
    "ServerTimeout",
    "The PATCH operation against jobs.batch could not be completed at this time, please try again.",
    {"name": "PATCH", "group": "batch", "kind": "jobs", "retryAfterSeconds": 2},
    Retry_After="2",
)

# A gateway before the server; RFC 9110, 10.2.3.
BAD_GATEWAY = http(502, b"<html>bad gateway</html>", Content_Type="text/html", Retry_After="3")

INTERNAL_ERROR_WITH_HEADER = refusal(
    500, "InternalError", "Internal error occurred: try again", Retry_After="3"
)

# api/errors, `NewResourceExpired`, written by storage/etcd3 and by the watch cache.
EXPIRED = refusal(410, "Expired", "The resourceVersion for the provided list is too old.")
GONE = refusal(410, "Gone", "too old resource version: 5 (60)")
GONE_AS_TEXT = text(410, "gone")
EXPIRED_WITH_EMPTY_TOKEN = status(410, "Expired", "too old", metadata={"continue": ""})


def expired_with_token(token: str) -> bytes:
    """Write the 410 of `handleCompactedErrorForPaging`: the token continues at a newer version."""
    message = "The provided continue parameter is too old to display a consistent list result."
    return status(410, "Expired", message, metadata={"continue": token})
