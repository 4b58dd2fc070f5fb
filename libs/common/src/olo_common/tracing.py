"""Traces: one tree of spans for each request, across all services, by OpenTelemetry and W3C trace context.

Without an endpoint nothing is traced, and nothing of it is loaded. Spans are handed to a thread that exports them in
batches; where the collector is away or slow, spans are dropped, never requests. Spans hold names, counts and times: no
prompt, no answer, no passage. A trace that is not sampled has no spans, and costs little more than its header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from olo_common.errors import OloError
from olo_common.settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_SCOPE: Final = "olo"
_W3C: Final = TraceContextTextMapPropagator()
TRACE_HEADERS: Final = frozenset(_W3C.fields)
"""Names of the headers that a trace goes by."""
ENDLESS_STREAMS: Final = ("WatchModels",)
"""Calls that end with their caller: a span of them would be told at the end of the process, if at all."""
_known_id: ContextVar[int] = ContextVar("known_span_id", default=0)

Headers = Mapping[str, str]


class _Current:
    """What this process traces with; None: nothing is traced."""

    tracer: Tracer | None = None


def configure_tracing(service: str, settings: TracingSettings) -> Callable[[], None]:
    """Traces this process from now on; does nothing where no endpoint is set.

    Returns:
        What has to be called at the end, so that the last spans are exported.
    """
    if not settings.exporter_otlp_endpoint:
        return lambda: None
    # Imported here: most processes of a laptop trace nothing, and the exporter costs a start 0.2 s.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    headers = settings.exporter_otlp_headers
    exporter = OTLPSpanExporter(
        endpoint=settings.exporter_otlp_endpoint,
        insecure=not settings.exporter_otlp_endpoint.startswith("https://"),
        headers=headers.get_secret_value() if headers is not None else None,
    )
    provider = tracer_provider(service, settings.traces_sampler_arg)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    # Asked for once: each time the SDK looks it up again, and changes the filters of warnings.
    _Current.tracer = provider.get_tracer(_SCOPE)
    return provider.shutdown


def tracer_provider(service: str, share: float) -> TracerProvider:
    """What makes spans.

    Args:
        service: Who tells them.
        share: The share of traces that are kept, of those that no caller has decided about.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    class Ids(RandomIdGenerator):
        def generate_span_id(self) -> int:
            return _known_id.get() or super().generate_span_id()

    return TracerProvider(
        resource=Resource.create({"service.name": f"olo-{service}"}),
        sampler=ParentBasedTraceIdRatio(share),
        id_generator=Ids(),
        shutdown_on_exit=False,
    )


def tracing() -> bool:
    """Whether this process traces."""
    return _Current.tracer is not None


def error_type(error: Exception) -> str:
    """What kind of error it is, for spans and labels: its reason, or the name of its class."""
    return error.reason if isinstance(error, OloError) else type(error).__name__


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    *,
    named: Callable[[Exception], str] = error_type,
) -> Iterator[Span]:
    """A span around the body; in a trace that is not sampled, or where nothing is traced, one that takes nothing.

    An error that leaves the body is told by its type alone: its text may hold anything.

    Args:
        name: Its name.
        kind: On which side of a call it is.
        attributes: What is known of it already.
        named: Names an error.
    """
    current = trace.get_current_span()
    if _Current.tracer is None or not _wanted(current):
        yield current
        return
    current = _Current.tracer.start_span(name, kind=kind, attributes=attributes)
    token = context.attach(trace.set_span_in_context(current))
    try:
        yield current
    except Exception as error:
        fail(current, named(error))
        raise
    finally:
        context.detach(token)
        current.end()


def _wanted(parent: Span) -> bool:
    """Whether spans are made under this one: it is of a trace that is sampled, or of none yet."""
    known = parent.get_span_context()
    return not known.is_valid or known.trace_flags.sampled


def fail(failed: Span, problem: str) -> None:
    """Tells that what the span is about has failed, by a kind of error."""
    failed.set_attribute("error.type", problem)
    failed.set_status(Status(StatusCode.ERROR))


def tell(
    name: str,
    start: int,
    end: int,
    *,
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    span_id: int = 0,
    problem: str = "",
) -> None:
    """Makes a span of what is over.

    Args:
        name: Its name.
        start: When it began, in nanoseconds since the epoch.
        end: When it ended.
        parent: Where it hangs; None: under the current span.
        kind: On which side of a call it was.
        attributes: What is known of it.
        span_id: Its id, where others knew it before; 0: any.
        problem: Which kind of error it has ended with; empty: with none.
    """
    if _Current.tracer is None or not _wanted(trace.get_current_span(parent)):
        return
    token = _known_id.set(span_id)
    try:
        told = _Current.tracer.start_span(name, parent, kind, attributes, start_time=start)
    finally:
        _known_id.reset(token)
    if problem:
        fail(told, problem)
    told.end(end)


def trace_headers() -> dict[str, str]:
    """The current trace as headers of a message; empty where nothing is traced."""
    headers: dict[str, str] = {}
    if tracing():
        _W3C.inject(headers)
    return headers


def trace_of(headers: Headers) -> Context:
    """The trace that a message's headers name; an empty one where they name none."""
    return _W3C.extract(headers)


@contextmanager
def continued(headers: Headers | None) -> Iterator[None]:
    """Goes on in the body with the trace of a message's headers."""
    if not headers or not tracing():
        yield
        return
    token = context.attach(trace_of(headers))
    try:
        yield
    finally:
        context.detach(token)


def leave_trace() -> None:
    """What this task does from now on belongs to no trace."""
    if tracing():
        context.attach(Context())
