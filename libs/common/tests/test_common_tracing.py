"""Spans: what is told of errors and of calls, and that a trace that is not sampled makes none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from olo_common import tracing
from olo_common.errors import InvalidField, OloError
from olo_common.grpc_client import call, channel
from olo_common.grpc_interceptors import ErrorInterceptor, TelemetryInterceptor
from olo_common.spans import Recorder
from olo_common.tracing import continued, leave_trace, span, tell, trace_headers, trace_of
from olo_testing.ports import free_port

CANARY = "canary-4711"
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "tracestate": "vendor=1"}
UNSAMPLED = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-00"}
METHOD = "/olo.test.v1.TestService/Try"


class Spans:
    """Those that have ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def names(self) -> list[str]:
        return sorted(each.name for each in self.all())

    def one(self, name: str) -> ReadableSpan:
        (found,) = (each for each in self.all() if each.name == name)
        return found


def traced(monkeypatch: pytest.MonkeyPatch, share: float) -> Spans:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing._Current, "recorder", Recorder("tested", share, SimpleSpanProcessor(exporter)))
    return Spans(exporter)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    return traced(monkeypatch, 1.0)


@pytest.fixture
def nothing_current() -> Iterator[None]:
    assert not trace.get_current_span().get_span_context().is_valid
    yield
    assert not trace.get_current_span().get_span_context().is_valid


def parent_of(child: ReadableSpan) -> str:
    assert child.parent is not None
    return trace.format_span_id(child.parent.span_id)


def id_of(each: ReadableSpan) -> str:
    context = each.get_span_context()
    assert context is not None
    return trace.format_span_id(context.span_id)


@pytest.mark.usefixtures("nothing_current")
def test_a_trace_goes_on_by_its_headers(spans: Spans) -> None:
    with continued(SAMPLED), span("outer"):
        headers = trace_headers()
        with span("inner"):
            pass
    outer = spans.one("outer")
    assert parent_of(outer) == SPAN_ID
    assert parent_of(spans.one("inner")) == id_of(outer)
    assert headers == {"traceparent": f"00-{TRACE_ID}-{id_of(outer)}-01", "tracestate": "vendor=1"}


@pytest.mark.usefixtures("nothing_current")
def test_a_trace_that_is_not_sampled_makes_no_span_and_goes_on_as_it_is(spans: Spans) -> None:
    with continued(UNSAMPLED), span("outer") as outer, span("inner"):
        outer.set_attribute("a", "b")
        headers = trace_headers()
        tell("step", 1, 2)
    tell("step", 1, 2, parent=trace_of(UNSAMPLED))
    assert spans.names() == []
    assert headers == UNSAMPLED


@pytest.mark.usefixtures("nothing_current")
def test_what_is_not_sampled_at_its_root_is_sampled_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = traced(monkeypatch, 0.0)
    with span("root"):
        headers = trace_headers()
    assert not int(headers["traceparent"][-2:], 16) & trace.TraceFlags.SAMPLED
    traced(monkeypatch, 1.0)
    with continued(headers), span("there"):
        pass
    assert spans.names() == []


def test_without_an_endpoint_there_is_neither_span_nor_header() -> None:
    with continued(SAMPLED), span("outer") as outer:
        outer.set_attribute("a", "b")
        assert trace_headers() == {}
        assert not outer.get_span_context().is_valid


@pytest.mark.usefixtures("nothing_current")
def test_an_error_is_told_by_its_kind_and_never_by_its_text(spans: Spans) -> None:
    with pytest.raises(ValueError), span("other"):
        raise ValueError(CANARY)
    with pytest.raises(OloError), span("ours"):
        raise InvalidField(CANARY, CANARY)
    told = [spans.one("other"), spans.one("ours")]
    assert [each.attributes and each.attributes["error.type"] for each in told] == [
        "ValueError",
        InvalidField("a", "b").reason,
    ]
    assert not any(each.status.is_ok for each in told)
    assert not any(CANARY in each.to_json() for each in told)


@pytest.mark.usefixtures("nothing_current")
def test_a_span_that_is_over_can_have_an_id_that_others_know(spans: Spans) -> None:
    tell("known", 1, 5, parent=trace_of(SAMPLED), span_id=42, problem="busy")
    tell("any", 1, 5)
    known = spans.one("known")
    assert (id_of(known), parent_of(known)) == (f"{42:016x}", SPAN_ID)
    assert (known.start_time, known.end_time) == (1, 5)
    assert known.attributes == {"error.type": "busy"}
    assert id_of(spans.one("any")) != id_of(known)


async def test_a_task_can_leave_its_trace(spans: Spans) -> None:
    with continued(SAMPLED):
        assert trace_headers()
        leave_trace()
        assert trace_headers() == {}
    assert spans.names() == []


async def try_it(request: bytes, _: Any) -> bytes:
    if request == b"fail":
        raise InvalidField("x", CANARY)
    with span("within"):
        return request


async def ask(address: str, request: bytes) -> bytes:
    async with channel(address) as opened:
        answer: bytes = await call(opened.unary_unary(METHOD), request, peer="the tested", timeout=20)
        return answer


@pytest.fixture
async def address() -> Any:
    server = grpc.aio.server(interceptors=[TelemetryInterceptor(), ErrorInterceptor()])
    service, _, method = METHOD.strip("/").partition("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(try_it)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def test_a_call_is_one_span_the_servers(spans: Spans, address: str) -> None:
    with span("caller"):
        assert await ask(address, b"ok") == b"ok"
    assert spans.names() == [METHOD, "caller", "within"]
    assert parent_of(spans.one(METHOD)) == id_of(spans.one("caller"))
    assert parent_of(spans.one("within")) == id_of(spans.one(METHOD))


async def test_a_call_that_fails_is_told_by_its_caller_too(spans: Spans, address: str) -> None:
    with pytest.raises(OloError), span("caller"):
        await ask(address, b"fail")
    with pytest.raises(OloError), span("in vain"):
        await ask(f"127.0.0.1:{free_port()}", b"ok")
    assert spans.names() == [METHOD, "call the tested", "call the tested", "caller", "in vain"]
    failed = [each for each in spans.all() if each.name == "call the tested"]
    assert [each.attributes and each.attributes["error.type"] for each in failed] == ["INVALID_ARGUMENT", "UNAVAILABLE"]
    assert [parent_of(each) for each in failed] == [id_of(spans.one("caller")), id_of(spans.one("in vain"))]
    assert not any(CANARY in each.to_json() for each in spans.all())


async def test_a_call_of_a_trace_that_is_not_sampled_makes_no_span_there_either(spans: Spans, address: str) -> None:
    with continued(UNSAMPLED):
        assert await ask(address, b"ok") == b"ok"
        with pytest.raises(OloError):
            await ask(address, b"fail")
    assert spans.names() == []
