"""A collector of traces and logs that speaks OTLP over gRPC, for tests that ask what was told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_rpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as rpc


@dataclass(frozen=True)
class TracedSpan:
    """A span as it arrived; times in nanoseconds since the epoch."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    attributes: dict[str, Any]
    failed: bool


@dataclass(frozen=True)
class SentLine:
    """A line of a log as it arrived; ids are hexadecimal, empty where there are none."""

    service: str
    event: str
    level: str
    severity: int
    trace_id: str
    span_id: str
    fields: dict[str, Any]


class Collector(rpc.TraceServiceServicer):
    """Keeps every span, and every line.

    Attributes:
        url: Where it listens.
    """

    def __init__(self) -> None:
        self.url = ""
        self._spans: list[TracedSpan] = []
        self._lines: list[SentLine] = []
        self._raw: list[bytes] = []
        self._news = threading.Condition()

    def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> pb.ExportTraceServiceResponse:  # noqa: N802  # by the proto
        """Takes spans."""
        with self._news:
            self._raw.append(request.SerializeToString())
            for resource in request.resource_spans:
                service = _attributes(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    self._spans += [_span(service, each) for each in scope.spans]
            self._news.notify_all()
        return pb.ExportTraceServiceResponse()

    def take_lines(self, request: logs_pb.ExportLogsServiceRequest) -> None:
        """Takes lines."""
        with self._news:
            self._raw.append(request.SerializeToString())
            for resource in request.resource_logs:
                service = _attributes(resource.resource.attributes)["service.name"]
                for scope in resource.scope_logs:
                    self._lines += [_line(service, each) for each in scope.log_records]
            self._news.notify_all()

    def wait_for_lines(self, enough: Callable[[list[SentLine]], bool], timeout: float = 30) -> list[SentLine]:
        """The lines, once they are enough.

        Args:
            enough: Looks at all that have arrived.
            timeout: Seconds.
        """
        with self._news:
            if not self._news.wait_for(lambda: enough(self._lines), timeout):
                raise AssertionError(f"there: {sorted({(line.service, line.event) for line in self._lines})}")
            return list(self._lines)

    def wait_for(self, trace_id: str, names: set[str], root: str, timeout: float = 30) -> list[TracedSpan]:
        """The spans of a trace, once all of these names are among them, and nobody's parent is missing.

        Args:
            trace_id: The trace.
            names: Names of spans.
            root: The span id that the caller has given as the parent of all.
            timeout: Seconds.
        """

        def there() -> bool:
            spans = self._of(trace_id)
            known = {root, *(span.span_id for span in spans)}
            return names <= {span.name for span in spans} and all(span.parent_id in known for span in spans)

        with self._news:
            if not self._news.wait_for(there, timeout):
                seen = sorted({span.name for span in self._of(trace_id)})
                raise AssertionError(f"missing: {sorted(names - set(seen))}; there: {seen}")
            return self._of(trace_id)

    @property
    def spans(self) -> int:
        """How many have arrived."""
        with self._news:
            return len(self._spans)

    def holds(self, text: str) -> bool:
        """Whether this text stands anywhere in what has arrived."""
        with self._news:
            return any(text.encode() in message for message in self._raw)

    def _of(self, trace_id: str) -> list[TracedSpan]:
        return [span for span in self._spans if span.trace_id == trace_id]


class _Lines(logs_rpc.LogsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(  # noqa: N802  # by the proto
        self, request: logs_pb.ExportLogsServiceRequest, context: Any
    ) -> logs_pb.ExportLogsServiceResponse:
        self._collector.take_lines(request)
        return logs_pb.ExportLogsServiceResponse()


@contextmanager
def trace_collector() -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    rpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    logs_rpc.add_LogsServiceServicer_to_server(_Lines(collector), server)  # type: ignore[no-untyped-call]
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _span(service: str, span: Any) -> TracedSpan:
    return TracedSpan(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _line(service: str, record: Any) -> SentLine:
    return SentLine(
        service,
        record.body.string_value,
        record.severity_text,
        record.severity_number,
        record.trace_id.hex(),
        record.span_id.hex(),
        _attributes(record.attributes),
    )


def _attributes(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
