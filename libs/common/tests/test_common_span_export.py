"""Spans are encoded as OpenTelemetry's own exporter encodes them, whatever they hold."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from olo_common.span_export import encoded
from olo_common.spans import Recorder
from olo_common.tracing import error_type

texts = st.text(max_size=20)
values = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.lists(texts, max_size=3)
)
ids = st.integers(1, 2**64 - 1)
states = st.sampled_from([TraceState(), TraceState([("vendor", "1"), ("other", "2")])])
parents = st.one_of(
    st.just(INVALID_SPAN_CONTEXT),
    st.builds(SpanContext, ids, ids, st.booleans(), st.just(TraceFlags(TraceFlags.SAMPLED)), states),
)
spans = st.fixed_dictionaries(
    {
        "name": texts,
        "parent": parents,
        "kind": st.sampled_from(SpanKind),
        "attributes": st.dictionaries(texts.filter(bool), values, max_size=5),
        "start": st.integers(1, 2**63),
        "problem": texts,
        "said": texts,
    }
)


def ended(told: list[dict[str, Any]]) -> tuple[ReadableSpan, ...]:
    exporter = InMemorySpanExporter()
    recorder = Recorder("tested", 1.0, SimpleSpanProcessor(exporter))
    for each in told:
        problem, said = each.pop("problem"), each.pop("said")
        with recorder.begin(**each, named=error_type) as current:
            if problem:
                current.fail(problem)
            if said:
                current.set_status(StatusCode.ERROR, said)
    return exporter.get_finished_spans()


@given(st.lists(spans, min_size=1, max_size=4))
def test_an_encoding_is_that_of_the_sdk(told: list[dict[str, Any]]) -> None:
    made = ended(told)
    assert len(made) == len(told)
    assert encoded(made) == encode_spans(made)


def test_nothing_is_encoded_as_nothing() -> None:
    assert encoded([]) == encode_spans([])
