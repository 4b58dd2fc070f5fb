"""The Anthropic dialect, spoken by its own client and by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import pytest
from dialect_edge import ANSWER, DialectEdge

from olo.inference.v1.inference_service_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_TOOL, ROLE_USER, ToolChoice

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
async def served_edge() -> AsyncIterator[DialectEdge]:
    edge = DialectEdge()
    async with edge.served():
        yield edge


@pytest.fixture(autouse=True)
async def edge(served_edge: DialectEdge) -> DialectEdge:
    await served_edge.forget()
    return served_edge


@pytest.fixture(scope="module")
async def client(served_edge: DialectEdge) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=served_edge.url, api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
async def http(served_edge: DialectEdge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served_edge.url, timeout=20) as opened:
        yield opened


async def test_a_message(client: anthropic.AsyncAnthropic, edge: DialectEdge) -> None:
    message = await client.messages.create(
        model="org/small",
        max_tokens=9,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "?", "signature": ""}, {"type": "text", "text": "three"}],
            },
            {"role": "user", "content": "four"},
        ],
        stop_sequences=["x"],
        metadata={"user_id": "u"},
        extra_body={"rag": {"collection": "demo"}, "top_k": 5, "temperature": 0.5, "routing_profile": "speed"},
    )
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": ANSWER}]
    assert (message.role, message.model, message.stop_reason, message.type) == (
        "assistant",
        "org/small",
        "max_tokens",
        "message",
    )
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (4, 1, 2)
    asked = edge.asked
    assert [(each.role, each.content) for each in asked.messages] == [
        (ROLE_SYSTEM, "Be brief."),
        (ROLE_USER, "one\ntwo"),
        (ROLE_ASSISTANT, "three"),
        (ROLE_USER, "four"),
    ]
    assert (asked.sampling.max_tokens, asked.sampling.top_k, list(asked.sampling.stop)) == (9, 5, ["x"])
    assert (asked.rag.collection, asked.profile) == ("demo", "speed")


async def test_a_stream_has_the_typed_events_in_their_order(
    client: anthropic.AsyncAnthropic, edge: DialectEdge
) -> None:
    edge.release.set()
    async with client.messages.stream(model="auto", max_tokens=9, messages=said("same answer")) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()
    raw = [kind for kind in kinds if kind not in ("text", "ping")]
    deltas = raw.count("content_block_delta")
    assert raw == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (message.content[0].to_dict()["text"], message.stop_reason) == (ANSWER, "max_tokens")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (4, 2)


WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "Of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


async def test_the_model_uses_tools_and_reads_what_they_say(
    client: anthropic.AsyncAnthropic, edge: DialectEdge
) -> None:
    asked: Any = {"model": "org/small", "max_tokens": 9, "tools": [WEATHER]}
    message = await client.messages.create(**asked, messages=said("weather"), tool_choice={"type": "any"})
    assert message.stop_reason == "tool_use"
    uses = [block for block in message.content if block.type == "tool_use"]
    assert [(use.name, use.input) for use in uses] == [("weather", {"city": "Rome"}), ("weather", {"city": "Oslo"})]
    assert edge.asked.tools[0].name == "weather"
    assert edge.asked.tool_choice.mode == ToolChoice.MODE_REQUIRED
    async with client.messages.stream(**asked, messages=said("weather")) as stream:
        streamed = await stream.get_final_message()
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in message.content]
    results: list[Any] = [
        {"type": "tool_result", "tool_use_id": uses[0].id, "content": "sun"},
        {
            "type": "tool_result",
            "tool_use_id": uses[1].id,
            "content": [{"type": "text", "text": "?"}],
            "is_error": True,
        },
        {"type": "text", "text": "Which is warmer?"},
    ]
    conversation: list[Any] = [*said("weather"), {"role": "assistant", "content": message.content}]
    await client.messages.create(**asked, messages=[*conversation, {"role": "user", "content": results}])
    turns = [(each.role, each.content, each.tool_call_id) for each in edge.asked.messages]
    assert turns[2:] == [
        (ROLE_TOOL, "sun", uses[0].id),
        (ROLE_TOOL, "error: ?", uses[1].id),
        (ROLE_USER, "Which is warmer?", ""),
    ]


async def test_a_form_of_the_answer(http: httpx.AsyncClient, edge: DialectEdge) -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    body = {"model": "m", "max_tokens": 9, "messages": HELLO, "output_config": form}
    assert (await http.post("/v1/messages", json=body)).status_code == 200
    assert json.loads(edge.asked.response_format.schema_json) == {"type": "object"}


async def test_the_lines_of_a_stream(http: httpx.AsyncClient, edge: DialectEdge) -> None:
    body = {"model": "auto", "max_tokens": 9, "messages": HELLO, "stream": True}
    answer = await http.post("/v1/messages", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    for event in answer.text.strip().split("\n\n"):
        kind, data = event.split("\n")
        assert kind.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]
    assert '"run_id":"' + answer.headers["x-olo-run-id"] in answer.text


async def test_an_answer_that_turns_into_another_one_ends_with_an_error(
    client: anthropic.AsyncAnthropic, edge: DialectEdge
) -> None:
    with pytest.raises(anthropic.APIStatusError, match="begun again"):
        async with client.messages.stream(model="auto", max_tokens=9, messages=said("other answer")) as stream:
            async for event in stream:
                if event.type == "text":
                    edge.release.set()


@pytest.mark.usefixtures("short_silences")
async def test_silences_are_pings_and_who_hangs_up_is_let_go(http: httpx.AsyncClient, edge: DialectEdge) -> None:
    body = {"model": "auto", "max_tokens": 9, "messages": said("wait"), "stream": True}
    async with http.stream("POST", "/v1/messages", json=body) as answer:
        async for line in answer.aiter_lines():
            if line == "event: ping":
                break
    await edge.cancelled.wait()


ERRORS: list[tuple[str, type[anthropic.APIStatusError], int, str]] = [
    ("missing", anthropic.NotFoundError, 404, "not_found_error"),
    ("nobody", anthropic.InternalServerError, 503, "overloaded_error"),
]


@pytest.mark.parametrize(("text", "kind", "status", "type_"), ERRORS)
async def test_errors_have_their_type_and_status(
    client: anthropic.AsyncAnthropic, text: str, kind: type[anthropic.APIStatusError], status: int, type_: str
) -> None:
    with pytest.raises(kind) as failed:
        await client.messages.create(model="org/small", max_tokens=9, messages=said(text))
    assert failed.value.status_code == status
    assert failed.value.body["type"] == "error"  # type: ignore[index]
    assert failed.value.body["error"]["type"] == type_  # type: ignore[index]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"name": "f", "input_schema": {"type": 3}}]}, "tools[0].input_schema"),
    ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
    ({"container": "c"}, "container"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 2_000_000}, "max_tokens"),
    ({"temperature": 9}, "temperature"),
    ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ({"messages": []}, "messages"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "The"}]}, "messages[1].role"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "messages[0].content[0].tool_use_id"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"model": "a b"}, "model"),
]


@pytest.mark.parametrize(("fields", "named"), REFUSED)
async def test_what_cannot_be_kept_is_refused_by_name(
    http: httpx.AsyncClient, edge: DialectEdge, fields: dict[str, Any], named: str
) -> None:
    answer = await http.post("/v1/messages", json={"model": "m", "max_tokens": 9, "messages": HELLO, **fields})
    assert (answer.status_code, answer.json()["type"]) == (400, "error")
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"].startswith(f"{named}: ")
    assert not edge.runs.started


async def test_what_reaches_no_route_is_an_error_of_the_dialect(http: httpx.AsyncClient) -> None:
    for body, status, kind in (
        (b"{", 400, "invalid_request_error"),
        (b'"' + b"x" * 5_000_000 + b'"', 413, "request_too_large"),
    ):
        answer = await http.post("/v1/messages", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    missing = await http.post("/v1/messages/none", json={})
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


async def test_tokens_are_counted(client: anthropic.AsyncAnthropic, edge: DialectEdge) -> None:
    counted = await client.messages.count_tokens(model="org/small", system="Be brief.", messages=said("one two three"))
    assert counted.input_tokens == 5
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.count_tokens(model="none", messages=HELLO)
    assert not edge.runs.started
