"""Spans by OpenTelemetry, sent by OTLP over HTTP; the standard variables OTEL_... configure it.

The only importer of `opentelemetry`, which is the extra `fleetpatch[otel]`. Spans are sent by a
thread in batches. What fails is kept in `problem` and never ends the command; messages of the
library are dropped, since they may quote its headers.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fleetpatch._version import __version__
from fleetpatch.errors import UsageError
from fleetpatch.model.tracing import Span, Value, joined

_LAST: Final = 5.0
"""Seconds that the end of a command waits until all spans are sent."""


class Traces:
    """The traces of one command; `close` sends what is left, within a bounded time.

    The span of a run has the cause code with which it ended; the command has that of an error.

    The variable TRACEPARENT, as CI systems set it, makes them a part of another trace.
    """

    def __init__(self, command: str, variables: Mapping[str, str]) -> None:
        _silence()
        self._provider = TracerProvider(resource=_resource(variables), shutdown_on_exit=False)
        self._exporter = _Noting(OTLPSpanExporter(), _server(variables))
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        tracer = self._provider.get_tracer("fleetpatch", __version__)
        above = {key.lower(): variables.get(key, "") for key in ("TRACEPARENT", "TRACESTATE")}
        context = TraceContextTextMapPropagator().extract(above)
        self._root = tracer.start_span(f"fleetpatch {command}", context)
        self.span: Span = OtelSpan(self._root, tracer)

    @property
    def problem(self) -> str:
        """Why spans could not be sent; empty if they could."""
        return self._exporter.problem

    def close(self, exit_code: int, cause_code: str) -> None:
        """End the span of the command, and send what is left."""
        self.span.note({"fleetpatch.exit_code": exit_code})
        if cause_code:
            self.span.note({"fleetpatch.cause_code": cause_code})
        if exit_code:
            self.span.fail(cause_code)
        self._root.end()
        # A daemon: a receiver that hangs must not keep the process from ending.
        thread = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        thread.start()
        thread.join(_LAST)
        if thread.is_alive():
            self._exporter.fail()


class OtelSpan:
    """Implements the port `Span`."""

    is_on = True

    def __init__(self, span: trace.Span, tracer: trace.Tracer) -> None:
        self._span, self._tracer = span, tracer
        context = span.get_span_context()
        self._ids = f"00-{context.trace_id:032x}-{context.span_id:016x}"

    @contextmanager
    def child(
        self, name: str, attributes: Mapping[str, Value], *, is_request: bool = False
    ) -> Iterator[Span]:
        """Begin a span below this one."""
        span = self._tracer.start_span(
            name,
            trace.set_span_in_context(self._span),
            SpanKind.CLIENT if is_request else SpanKind.INTERNAL,
            dict(attributes),
        )
        child = OtelSpan(span, self._tracer)
        try:
            yield child
        except BaseException as error:
            # Without its text, which may be long; the log has it.
            child.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes."""
        self._span.set_attributes(dict(attributes))

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Add an event; the library keeps a bounded number of them."""
        self._span.add_event(name, dict(attributes))

    def fail(self, text: str) -> None:
        """Set the status."""
        self._span.set_status(Status(StatusCode.ERROR, text))

    def traceparent(self, *, sampled: bool) -> str:
        """Return the header of a request."""
        return joined(self._ids, sampled=sampled and self._span.is_recording())


class _Noting(SpanExporter):
    """Passes spans on, and notes that they could not be sent."""

    def __init__(self, exporter: SpanExporter, server: str) -> None:
        self._exporter, self._server = exporter, server
        self.problem = ""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        try:
            result = self._exporter.export(spans)
        except OSError:  # the root of the errors of its HTTP client
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self.fail()
        return result

    def fail(self) -> None:
        """Note that spans could not be sent."""
        self.problem = f"traces: cannot be sent to {self._server}; the run is not affected"

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Pass it on."""
        return self._exporter.force_flush(timeout_millis)


def _resource(variables: Mapping[str, str]) -> Resource:
    named = variables.get("OTEL_SERVICE_NAME") or "service.name=" in variables.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    own = {} if named else {"service.name": "fleetpatch"}
    return Resource.create({"service.version": __version__, **own})


def _server(variables: Mapping[str, str]) -> str:
    """Return host and port of the receiver: the rest of its URL may have secrets.

    Raises UsageError if it is not a URL that can be sent to.
    """
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    name = next((name for name in names if variables.get(name)), "")
    try:
        parts = urlsplit(variables.get(name, "http://localhost:4318"))
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, is_valid = urlsplit(""), False
    if not is_valid:
        raise UsageError(
            f"{name}: is not a valid URL; use http://HOST:4318, or set OTEL_TRACES_EXPORTER=none"
        )
    return parts.netloc.rpartition("@")[2]


def _silence() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
