"""Spans behind OpenTelemetry's API: what they keep, when they are told, and which traces are sampled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanKind, StatusCode

from olo_common.spans import CurrentSpan, Recorder
from olo_common.tracing import error_type


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def begun(exporter: InMemorySpanExporter, share: float = 1.0) -> CurrentSpan:
    recorder = Recorder("tested", share, SimpleSpanProcessor(exporter))
    return recorder.begin("asked", INVALID_SPAN_CONTEXT, SpanKind.SERVER, {"known": 1}, named=error_type)


def test_whoever_looks_for_the_current_span_finds_it(exporter: InMemorySpanExporter) -> None:
    with begun(exporter) as current:
        assert trace.get_current_span() is current
        assert current.is_recording()
        trace.get_current_span().set_attribute("later", "2")
        trace.get_current_span().update_name("answered")
    assert trace.get_current_span() is trace.INVALID_SPAN
    (told,) = exporter.get_finished_spans()
    assert (told.name, told.attributes, told.parent) == ("answered", {"known": 1, "later": "2"}, None)
    assert told.start_time is not None
    assert told.end_time is not None
    assert told.start_time <= told.end_time
    assert told.resource.attributes["service.name"] == "olo-tested"


def test_a_span_is_told_once_and_takes_nothing_after_its_end(exporter: InMemorySpanExporter) -> None:
    current = begun(exporter)
    current.end(5)
    current.end(7)
    current.set_attribute("late", 1)
    current.set_attributes({"later": 2})
    (told,) = exporter.get_finished_spans()
    assert (told.end_time, told.attributes) == (5, {"known": 1})
    assert not current.is_recording()


def test_an_end_without_an_error_may_be_a_failure_too(exporter: InMemorySpanExporter) -> None:
    with begun(exporter) as current:
        current.set_status(StatusCode.ERROR, "busy")
    (told,) = exporter.get_finished_spans()
    assert (told.status.status_code, told.status.description) == (StatusCode.ERROR, "busy")


def test_a_cancelled_step_has_not_failed(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(KeyboardInterrupt), begun(exporter):
        raise KeyboardInterrupt
    (told,) = exporter.get_finished_spans()
    assert told.status.status_code is StatusCode.UNSET


@given(st.integers(1, 2**128 - 1), st.floats(0, 1))
def test_the_traces_that_are_sampled_are_those_of_the_sdk(trace_id: int, share: float) -> None:
    class Given(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return trace_id

    exporter = InMemorySpanExporter()
    recorder = Recorder("tested", share, SimpleSpanProcessor(exporter))
    recorder._ids = Given()
    with recorder.begin("root", INVALID_SPAN_CONTEXT, SpanKind.SERVER, None, named=error_type) as root:
        above = root.get_span_context()
        with recorder.begin("child", above, SpanKind.INTERNAL, None, named=error_type):
            pass
    sampled = TraceIdRatioBased(share).should_sample(None, trace_id, "root").decision.is_sampled()
    assert above.trace_id == trace_id
    assert above.trace_flags.sampled == sampled
    assert [each.name for each in exporter.get_finished_spans()] == (["child", "root"] if sampled else [])
