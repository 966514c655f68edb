"""Prometheus' client library: the text format, an HTTP listener, and pushes to a Pushgateway.

The only importer of `prometheus_client`, which is the extra `fleetpatch[metrics]`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from http.client import HTTPException
from typing import Any, Final, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import prometheus_client
from prometheus_client import parser
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from fleetpatch.metrics.addresses import JOB, Gateway
from fleetpatch.metrics.catalog import Kind, Metric
from fleetpatch.metrics.listener import TIMEOUT, Listener
from fleetpatch.metrics.samples import Sample

Collect: TypeAlias = Callable[[], Iterable[tuple[Metric, Sequence[Sample]]]]
"""Returns the samples of each metric at this moment."""

PUSH_TIMEOUT: Final = 5.0
"""Seconds; the last push may delay the end of a command by as many."""


def text_of(collect: Collect) -> bytes:
    """Write all metrics in Prometheus' text format."""
    return prometheus_client.generate_latest(_registry(collect))


def parse(text: str) -> Iterator[Sample]:
    """Read samples in the text format. Raises ValueError."""
    for family in parser.text_string_to_metric_families(text):
        for one in family.samples:
            yield Sample(one.name, one.labels, float(one.value))


def listener(host: str, port: int, collect: Collect) -> Listener:
    """Serve the metrics at `host` and `port` until the listener is closed. Raises OSError."""

    class Handler(prometheus_client.MetricsHandler):
        registry = _registry(collect)
        timeout = TIMEOUT

    return Listener(host, port, Handler)


def push(gateway: Gateway, plan: str, collect: Collect) -> None:
    """Replace the metrics with these names that the gateway has for the plan.

    Raises OSError, whose text has no secrets.
    """
    try:
        prometheus_client.pushadd_to_gateway(
            gateway.url,
            JOB,
            _registry(collect),
            {"plan": plan},
            PUSH_TIMEOUT,
            _Sender(gateway.authorization),
        )
    except HTTPError as error:
        with error:
            raise OSError(f"it answered {error.code}") from None
    except (URLError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        # The reason is an error of the operating system, or a text.
        text = getattr(reason, "strerror", None) or type(reason).__name__
        raise OSError(text) from None


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: it would send the credentials to another server."""

    def redirect_request(self, *_words: Any, **_more: Any) -> None:
        return None


class _Sender:
    """The handler of `pushadd_to_gateway`; `authorization` is a header, or empty."""

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    def __call__(
        self,
        url: str,
        method: str,
        timeout: float | None,
        headers: Sequence[tuple[str, str]],
        data: bytes,
    ) -> Callable[[], None]:
        request = Request(url, data=data, headers=dict(headers), method=method)  # noqa: S310 - checked
        if self._authorization:
            request.add_header("Authorization", self._authorization)

        def send() -> None:
            with build_opener(_NoRedirect).open(request, timeout=timeout):
                pass

        return send


class _Collected(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Family]:
        for metric, samples in self._collect():
            # The library adds the suffix of a counter by itself.
            name = (
                metric.name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.name
            )
            family = Family(name, metric.help, metric.kind.value)
            for sample in samples:
                family.add_sample(sample.name, dict(sample.labels), sample.value)
            yield family


def _registry(collect: Collect) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(collect))
    return registry
