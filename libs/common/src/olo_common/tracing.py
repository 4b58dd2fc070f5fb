"""Traces: one tree of spans for each request, across all services, by OpenTelemetry and W3C trace context.

Without an endpoint nothing is traced, and nothing of it is loaded. Spans are handed to a thread that exports them in
batches; where the collector is away or slow, spans are dropped, never requests. Spans hold names, counts and times: no
prompt, no answer, no passage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from olo_common.errors import OloError
from olo_common.settings import TracingSettings

if TYPE_CHECKING:
    import grpc
    from temporalio.contrib.opentelemetry import TracingInterceptor

_SCOPE = "olo"
ENDLESS_STREAMS = ("WatchModels",)
"""Calls that end with their caller: a span of them would be told at the end of the process, if at all."""


def configure_tracing(service: str, settings: TracingSettings) -> Callable[[], None]:
    """Traces this process from now on; does nothing where no endpoint is set.

    Returns:
        What has to be called at the end, so that the last spans are exported.
    """
    if not settings.exporter_otlp_endpoint:
        return lambda: None
    # Imported here: most processes of a laptop trace nothing, and the exporter costs a start 0.2 s.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    headers = settings.exporter_otlp_headers
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"olo-{service}"}),
        sampler=ParentBasedTraceIdRatio(settings.traces_sampler_arg),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(
        endpoint=settings.exporter_otlp_endpoint,
        insecure=not settings.exporter_otlp_endpoint.startswith("https://"),
        headers=headers.get_secret_value() if headers is not None else None,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def tracing() -> bool:
    """Whether this process traces."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def tracer() -> Tracer:
    """The tracer of the product's own spans; it does nothing where nothing is traced."""
    return trace.get_tracer(_SCOPE)


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: dict[str, Any] | None = None) -> Iterator[Span]:
    """A span around the body. An error that leaves the body is told by its type alone: its text may hold anything."""
    with tracer().start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_attribute("error.type", error_type(error))
            current.set_status(Status(StatusCode.ERROR))
            raise


def error_type(error: Exception) -> str:
    """What kind of error it is, for spans and labels: its reason, or the name of its class."""
    return error.reason if isinstance(error, OloError) else type(error).__name__


def client_interceptors() -> Sequence[grpc.aio.ClientInterceptor]:
    """What a gRPC channel needs so that its unary calls are spans, and the called service goes on with the trace."""
    if not tracing():
        return []
    from opentelemetry.instrumentation.grpc import aio_client_interceptors, filters

    watched = filters.negate(filters.service_prefix("grpc."))
    # The first is the one of unary calls; our streams never end, or end with their caller.
    interceptor: grpc.aio.ClientInterceptor = aio_client_interceptors(filter_=watched)[0]  # type: ignore[no-untyped-call]
    return [interceptor]


def temporal_interceptors() -> Sequence[TracingInterceptor]:
    """What a Temporal client, and the workers on it, need: traces go with the headers of workflows and activities."""
    if not tracing():
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return [TracingInterceptor(tracer())]


def trace_headers() -> dict[str, str]:
    """The current trace as headers of a message; empty where nothing is traced."""
    headers: dict[str, str] = {}
    if tracing():
        inject(headers)
    return headers


@contextmanager
def continued(headers: dict[str, str] | None) -> Iterator[None]:
    """Goes on in the body with the trace of a message's headers."""
    if not headers or not tracing():
        yield
        return
    from opentelemetry import context

    token = context.attach(extract(headers))
    try:
        yield
    finally:
        context.detach(token)
