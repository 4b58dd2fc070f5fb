"""One question, one tree of spans: from the caller's own trace down to the steps of the engine."""

from __future__ import annotations

import json
import uuid

import httpx
import pytest

from olo_testing.stack import Stack
from olo_testing.traces import Collector, TracedSpan

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

QUESTION = "When did the harbour tram of Saltmere begin to run?"
CALLER = "00f067aa0ba902b7"
TREE = {
    "POST /v1/chat/completions": "",
    "RunWorkflow:chat": "POST /v1/chat/completions",
    "RunActivity:retrieve": "RunWorkflow:chat",
    "RunActivity:select": "RunWorkflow:chat",
    "RunActivity:generate": "RunWorkflow:chat",
    "/olo.retrieval.v1.RetrievalService/Search": "RunActivity:retrieve",
    "retrieval demo": "/olo.retrieval.v1.RetrievalService/Search",
    "search qdrant": "retrieval demo",
    "chat olo-demo": "RunActivity:generate",
    "prefill": "chat olo-demo",
    "decode": "chat olo-demo",
}
"""Each span with its parent; those of the same name have the same one."""
LEAVES = {"embeddings all-minilm-l6-v2", "/olo.router.v1.RouterService/SelectModels"}
"""Spans of services under which nothing hangs: nobody would miss them while they are on their way."""
SERVICES = {"olo-gateway", "olo-retrieval", "olo-router", "olo-embed-worker", "olo-llm-worker"}

KEY = f"olo-canary-{uuid.uuid4().hex}"


def ask(stack: Stack, body: dict[str, object]) -> str:
    trace_id = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-{CALLER}-01", "Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{stack.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return trace_id


@pytest.fixture(scope="module")
def tree(stack: Stack, traces: Collector) -> list[TracedSpan]:
    rag = {"collection": "demo", "top_k": 4}
    trace_id = ask(stack, {"messages": [{"role": "user", "content": QUESTION}], "rag": rag})
    return traces.wait_for(trace_id, {*TREE, *LEAVES}, CALLER)


def test_every_span_hangs_where_it_belongs(tree: list[TracedSpan]) -> None:
    by_id = {span.span_id: span for span in tree}
    roots = [span for span in tree if span.parent_id not in by_id]
    assert [(root.name, root.parent_id) for root in roots] == [("POST /v1/chat/completions", CALLER)]
    for span in tree:
        if TREE.get(span.name):
            assert by_id[span.parent_id].name == TREE[span.name], span.name
    assert {span.service for span in tree} >= SERVICES
    assert not [span.name for span in tree if span.failed]


def test_a_step_is_told_once_and_within_its_parent(tree: list[TracedSpan]) -> None:
    names = [span.name for span in tree]
    for name in TREE:
        assert names.count(name) == 1, name
    by_id = {span.span_id: span for span in tree}
    for span in tree:
        parent = by_id.get(span.parent_id)
        # What Temporal starts outlives the call that starts it.
        if parent is not None and ":" not in parent.name and ":" not in span.name:
            assert parent.start <= span.start <= span.end <= parent.end + 5_000_000, span.name


def test_the_spans_speak_the_conventions(tree: list[TracedSpan]) -> None:
    by_name = {span.name: span for span in tree}
    chat = by_name["chat olo-demo"].attributes
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.request.model"] == chat["gen_ai.response.model"] == "olo-demo"
    assert chat["gen_ai.usage.input_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] > 0
    embedding = next(span for span in tree if span.name.startswith("embeddings "))
    assert embedding.attributes["gen_ai.usage.input_tokens"] > 0
    assert by_name["retrieval demo"].attributes["gen_ai.data_source.id"] == "demo"
    assert by_name["POST /v1/chat/completions"].attributes["http.response.status_code"] == 200


def test_a_stream_has_no_span_for_each_token(stack: Stack, traces: Collector) -> None:
    body = {"messages": [{"role": "user", "content": "Tell me of Saltmere."}], "stream": True, "max_tokens": 64}
    trace_id = ask(stack, body)
    spans = traces.wait_for(trace_id, {"POST /v1/chat/completions", "decode"}, CALLER)
    assert len(spans) < 30


def test_spans_hold_no_prompt_and_no_answer(stack: Stack, traces: Collector) -> None:
    canary = f"canary{uuid.uuid4().hex}"
    body = {"messages": [{"role": "user", "content": f"Say {canary}."}], "user": canary}
    trace_id = ask(stack, body)
    traces.wait_for(trace_id, {"POST /v1/chat/completions", "decode", "RunWorkflow:chat"}, CALLER)
    refused = httpx.post(f"{stack.url}/v1/chat/completions", json={"messages": [{"role": canary}]}, timeout=60)
    assert refused.status_code == 400, refused.text
    assert not traces.holds(canary)
    assert not traces.holds(KEY)
    assert not traces.holds("harbour tram"), json.dumps(QUESTION)
