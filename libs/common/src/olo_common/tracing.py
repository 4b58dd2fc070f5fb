"""Traces: one tree of spans for each request, across all services, by OpenTelemetry and W3C trace context.

Without an endpoint nothing is traced, and nothing of it is loaded. Spans are handed to a thread that exports them in
batches; where the collector is away or slow, spans are dropped, never requests. Spans hold names, counts and times: no
prompt, no answer, no passage. A trace that is not sampled has no spans, and costs little more than its header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from olo_common.errors import OloError
from olo_common.settings import TracingSettings

if TYPE_CHECKING:
    from olo_common.spans import Recorder

_W3C: Final = TraceContextTextMapPropagator()
TRACE_HEADERS: Final = frozenset(_W3C.fields)
"""Names of the headers that a trace goes by."""
ENDLESS_STREAMS: Final = ("WatchModels",)
"""Calls that end with their caller: a span of them would be told at the end of the process, if at all."""

Headers = Mapping[str, str]


class _Current:
    """What this process traces with; None: nothing is traced."""

    recorder: Recorder | None = None


def configure_tracing(service: str, settings: TracingSettings) -> Callable[[], None]:
    """Traces this process from now on; does nothing where no endpoint is set.

    Returns:
        What has to be called at the end, so that the last spans are exported.
    """
    if not settings.exporter_otlp_endpoint:
        return lambda: None
    # Imported here: most processes of a laptop trace nothing, and the exporter costs a start 0.2 s.
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from olo_common.span_export import SpanExporter
    from olo_common.spans import Recorder

    headers = settings.exporter_otlp_headers
    exporter = SpanExporter(
        endpoint=settings.exporter_otlp_endpoint,
        insecure=not settings.exporter_otlp_endpoint.startswith("https://"),
        headers=headers.get_secret_value() if headers is not None else None,
    )
    processor = BatchSpanProcessor(exporter)
    _Current.recorder = Recorder(service, settings.traces_sampler_arg, processor)
    return processor.shutdown


def tracing() -> bool:
    """Whether this process traces."""
    return _Current.recorder is not None


def error_type(error: Exception) -> str:
    """What kind of error it is, for spans and labels: its reason, or the name of its class."""
    return error.reason if isinstance(error, OloError) else type(error).__name__


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    *,
    headers: Headers | None = None,
    named: Callable[[Exception], str] = error_type,
) -> Span:
    """A span around the body of a `with`; where nothing is traced, or the trace is not sampled, one that takes nothing.

    An error that leaves the body is told by its type alone: its text may hold anything.

    Args:
        name: Its name.
        kind: On which side of a call it is.
        attributes: What is known of it already.
        headers: Those of the message that it answers, whose trace it goes on with; none: it is under the current one.
        named: Names an error.
    """
    recorder = _Current.recorder
    if recorder is None:
        return INVALID_SPAN
    parent = trace_of(headers) if headers else trace.get_current_span().get_span_context()
    return recorder.begin(name, parent, kind, attributes, named=named)


def tell(
    name: str,
    start: int,
    end: int,
    *,
    parent: SpanContext | None = None,
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
    if (recorder := _Current.recorder) is None:
        return
    above = parent or trace.get_current_span().get_span_context()
    told = recorder.begin(name, above, kind, attributes, named=error_type, start=start, span_id=span_id)
    if problem:
        told.fail(problem)
    told.end(end)


def trace_headers() -> dict[str, str]:
    """The current trace as headers of a message; empty where nothing is traced."""
    headers: dict[str, str] = {}
    if tracing():
        _W3C.inject(headers)
    return headers


def trace_of(headers: Headers) -> SpanContext:
    """The span that a message's headers name; an invalid one where they name none."""
    return trace.get_current_span(_W3C.extract(headers)).get_span_context()


@contextmanager
def continued(headers: Headers | None) -> Iterator[None]:
    """Goes on in the body with the trace of a message's headers."""
    if not headers or not tracing():
        yield
        return
    token = context.attach(_W3C.extract(headers))
    try:
        yield
    finally:
        context.detach(token)


def leave_trace() -> None:
    """What this task does from now on belongs to no trace."""
    if tracing():
        context.attach(Context())
