"""The variables OTEL_...: sends traces of a command that plans or sends."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from fleetpatch.cli.ending import closing
from fleetpatch.errors import UsageError

if TYPE_CHECKING:
    from fleetpatch.model.tracing import Span
    from fleetpatch.tracing.otel import Traces

_TRACED: Final = frozenset({"plan", "apply", "resume", "undo", "label", "annotate"})
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_LIBRARY: Final = "opentelemetry.exporter.otlp.proto.http"
_NAMES: Final = re.compile(r"\b(?:OTEL_[A-Z_]+|(?:max|schedule|export)_[a-z_]+)")
"""Names of variables in the SDK's messages, and of its parameters that have them."""
_current: ContextVar["Span | None"] = ContextVar("span", default=None)


def current_span() -> "Span":
    """Return the span of the command that is called."""
    from fleetpatch.model.tracing import NoSpan

    return _current.get() or NoSpan()


@contextmanager
def tracing(command: str | None) -> Iterator[None]:
    """Send traces of the command while the block runs, if the variables ask for them.

    Raises UsageError if they ask for what is not supported, or if the library is not installed.
    """
    if command not in _TRACED or not _is_asked_for(os.environ):
        yield
        return
    if not _is_installed():
        raise UsageError(
            "the OTEL_ variables ask for traces, which need OpenTelemetry; install it with"
            " `pip install 'fleetpatch[otel]'`, or set OTEL_TRACES_EXPORTER=none"
        )
    traces = _begun(command)
    token = _current.set(traces.span)
    try:
        with closing(traces.close):
            yield
    finally:
        _current.reset(token)
        if traces.problem:
            sys.stderr.write(f"warning: {traces.problem}\n")


def _begun(command: str) -> "Traces":
    """Begin the traces of a command. Raises UsageError if a variable is not valid."""
    try:
        from fleetpatch.tracing.otel import Traces

        return Traces(command, os.environ)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 # the SDK documents no errors, and raises many
        # Only names of the text: it may quote a value that is a secret.
        names = ", ".join(dict.fromkeys(_NAMES.findall(str(error))))
        which = f" ({names})" if names else ""
        raise UsageError(
            f"the OTEL_ variables are not valid{which}; correct them, or set"
            " OTEL_TRACES_EXPORTER=none"
        ) from None


def _is_installed() -> bool:
    try:
        return find_spec(_LIBRARY) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def _is_asked_for(variables: Mapping[str, str]) -> bool:
    """Return whether the variables ask for traces. Raises UsageError if not as we can send them."""
    exporter = variables.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    disabled = variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or exporter == "none":
        return False
    if not exporter and not any(variables.get(name) for name in _ENDPOINTS):
        return False
    if exporter and "otlp" not in exporter.split(","):
        raise UsageError(
            f"OTEL_TRACES_EXPORTER={exporter}: only otlp is supported; use otlp, or none"
        )
    for name in _PROTOCOLS:
        protocol = variables.get(name, "").strip()
        if protocol:
            if protocol != _PROTOCOL:
                raise UsageError(
                    f"{name}={protocol}: only {_PROTOCOL} is supported; use it, or set"
                    " OTEL_TRACES_EXPORTER=none"
                )
            break
    return True
