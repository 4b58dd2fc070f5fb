"""The Responses API, spoken by the unmodified client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1.run_pb2 import Attempt, ChatRequest, ChatResponse, Citation, ResponseOptions
from olo.inference.v1 import inference_service_pb2 as inference
from olo_gateway.calls.following import Completed, Started
from olo_gateway.errors import NoModelAvailable
from olo_gateway.http.responses.events import ResponseEncoder
from olo_gateway.runs.forms import ResponseOptions as Options
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.streaming.events import Chunk, Delta, Reset

TOOL: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
CALL = inference.ToolCall(id="call_1", name="weather", arguments_json='{"city": "Rome"}')


def said(run_id: str, text: str = "Hello", **fields: Any) -> ChatResponse:
    calls = fields.pop("calls", ())
    return ChatResponse(
        run_id=run_id,
        model="org/model",
        message=inference.ChatMessage(role=inference.ROLE_ASSISTANT, content=text, tool_calls=calls),
        finish_reason=fields.pop("finish_reason", inference.FINISH_REASON_STOP),
        usage=TokenUsage(prompt_tokens=3, completion_tokens=2, cached_tokens=1),
        attempts=[Attempt()],
        **fields,
    )


async def test_a_response_says_what_was_asked_and_answered(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    async def citing(run_id: str, request: ChatRequest) -> ChatResponse:
        citations = [
            Citation(index=1, document_id="d", source="a.md", cited=True),
            Citation(index=2, document_id="e", source="b.md"),
        ]
        logprobs = [inference.TokenLogprob(text="Hello", logprob=-1.0)]
        return said(run_id, citations=citations, logprobs=logprobs)

    scripted.answer = citing
    made = await openai_client.responses.create(
        model="auto",
        instructions="Be brief.",
        input="Where?",
        max_output_tokens=9,
        temperature=0.5,
        metadata={"a": "b"},
        top_logprobs=2,
        text={"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
        parallel_tool_calls=False,
    )
    assert made.output_text == "Hello"
    assert (made.status, made.model, made.instructions, made.metadata) == (
        "completed",
        "org/model",
        "Be brief.",
        {"a": "b"},
    )
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.input_tokens_details.cached_tokens) == (3, 1)
    part: Any = made.output[0].content[0]  # type: ignore[union-attr]
    assert [note.file_id for note in part.annotations] == ["d"]
    assert part.logprobs[0].token == "Hello"
    request = scripted.runs.started[0][1]
    assert [(message.role, message.content) for message in request.messages] == [
        (inference.ROLE_SYSTEM, "Be brief."),
        (inference.ROLE_USER, "Where?"),
    ]
    assert request.response == ResponseOptions(instructions="Be brief.")
    assert request.store
    assert (request.sampling.logprobs, request.sampling.top_logprobs) == (True, 2)
    assert request.tool_choice.single
    assert json.loads(request.response_format.schema_json) == {"type": "object"}
    again = await openai_client.responses.retrieve(made.id)
    assert (again.output, again.temperature, again.max_output_tokens) == (made.output, 0.5, 9)


async def test_a_conversation_is_carried_by_the_stored_run(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    async def calling_first(run_id: str, request: ChatRequest) -> ChatResponse:
        if len(request.messages) == 3:
            return said(run_id, "", calls=[CALL], finish_reason=inference.FINISH_REASON_TOOL_CALLS)
        return said(run_id, "Sun")

    scripted.answer = calling_first
    first = await openai_client.responses.create(
        model="m",
        instructions="Once.",
        tools=[TOOL],
        input=[
            {"role": "developer", "content": "Always."},
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"role": "user", "content": "In Rome."},
        ],
    )
    call: Any = first.output[0]
    assert (call.type, call.call_id, call.arguments) == ("function_call", "call_1", '{"city": "Rome"}')
    second = await openai_client.responses.create(
        model="m",
        previous_response_id=first.id,
        tools=[TOOL],
        input=[{"type": "function_call_output", "call_id": "call_1", "output": "sun"}],
    )
    assert second.output_text == "Sun"
    assert second.previous_response_id == first.id
    request = scripted.runs.started[1][1]
    assert [(message.role, message.content) for message in request.messages] == [
        (inference.ROLE_SYSTEM, "Always."),
        (inference.ROLE_USER, "Weather?"),
        (inference.ROLE_USER, "In Rome."),
        (inference.ROLE_ASSISTANT, ""),
        (inference.ROLE_TOOL, "sun"),
    ]
    assert request.messages[3].tool_calls == [CALL]
    items = [item async for item in openai_client.responses.input_items.list(second.id, order="asc")]
    assert [item.type for item in items] == ["message", "function_call_output"]
    newest = await openai_client.responses.input_items.list(first.id, limit=1)
    assert (newest.data[0].content[0].text, newest.has_more) == ("In Rome.", True)  # type: ignore[union-attr]
    rest = await openai_client.responses.input_items.list(first.id, after=newest.data[0].id)
    assert len(rest.data) == 2


async def test_a_stream_has_typed_events_in_order(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    async def talking(run_id: str, request: ChatRequest) -> ChatResponse:
        scripted.tokens.say(run_id, Chunk(1, 1, 0, "Hé"))
        return said(run_id, "Héllo", calls=[CALL])

    scripted.answer = talking
    async with openai_client.responses.stream(model="m", input="x", tools=[TOOL]) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events if event.type != "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    assert final.output_text == "Héllo"
    assert final.output[1].arguments == CALL.arguments_json  # type: ignore[union-attr]


async def test_a_stream_goes_on_behind_any_event(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    async def answering(run_id: str, request: ChatRequest) -> ChatResponse:
        return said(run_id, "Héllo", calls=[CALL])

    scripted.answer = answering
    made = await openai_client.responses.create(model="m", input="x")
    whole = [event async for event in await openai_client.responses.retrieve(made.id, stream=True)]
    for place, event in enumerate(whole):
        after = event.sequence_number
        rest = await openai_client.responses.retrieve(made.id, stream=True, starting_after=after)
        assert [left.to_dict() async for left in rest] == [left.to_dict() for left in whole[place + 1 :]]
    beyond = whole[-1].sequence_number + 1
    with pytest.raises(openai.APIStatusError) as caught:
        await openai_client.responses.retrieve(made.id, stream=True, starting_after=beyond)
    assert (caught.value.status_code, caught.value.code) == (416, "offset_invalid")


async def test_a_background_response_goes_on_by_itself(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    release = asyncio.Event()

    async def waiting(run_id: str, request: ChatRequest) -> ChatResponse:
        await release.wait()
        return said(run_id)

    scripted.answer = waiting
    made = await openai_client.responses.create(model="m", input="x", background=True)
    assert (made.status, made.background) == ("queued", True)
    assert (await openai_client.responses.retrieve(made.id)).status == "queued"
    stream = await openai_client.responses.retrieve(made.id, stream=True)
    assert (await anext(aiter(stream))).type == "response.created"
    release.set()
    assert [event.type async for event in stream][-1] == "response.completed"
    assert (await openai_client.responses.retrieve(made.id)).output_text == "Hello"


async def test_a_response_is_cancelled_once_and_then_left_alone(
    openai_client: openai.AsyncOpenAI, scripted: Any
) -> None:
    async def waiting(run_id: str, request: ChatRequest) -> ChatResponse:
        await asyncio.Event().wait()
        raise AssertionError

    scripted.answer = waiting
    made = await openai_client.responses.create(model="m", input="x", background=True)
    for _ in range(2):
        assert (await openai_client.responses.cancel(made.id)).status == "cancelled"
    scripted.answer = None
    done = await openai_client.responses.create(model="m", input="x")
    assert (await openai_client.responses.cancel(done.id)).status == "completed"


async def test_a_deleted_response_is_gone_for_every_call(openai_client: openai.AsyncOpenAI) -> None:
    made = await openai_client.responses.create(model="m", input="x")
    kept = await openai_client.responses.create(model="m", input="and?", previous_response_id=made.id)
    await openai_client.responses.delete(made.id)
    calls: list[Any] = [
        openai_client.responses.retrieve,
        openai_client.responses.cancel,
        openai_client.responses.delete,
        openai_client.responses.input_items.list,
    ]
    for call in calls:
        with pytest.raises(openai.NotFoundError) as caught:
            await call(made.id)
        assert caught.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        await openai_client.responses.create(model="m", input="x", previous_response_id=made.id)
    assert (refused.value.param, refused.value.code) == ("previous_response_id", "previous_response_not_found")
    assert (await openai_client.responses.retrieve(kept.id)).output_text == "Hello"


async def test_what_is_not_stored_or_no_response_is_not_found(openai_client: openai.AsyncOpenAI) -> None:
    hidden = await openai_client.responses.create(model="m", input="x", store=False)
    chat = await openai_client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    other = chat.id.replace("chatcmpl-", "resp_")
    for unknown in (hidden.id, other, "resp_run-none", "resp_..", "none"):
        with pytest.raises(openai.NotFoundError):
            await openai_client.responses.retrieve(unknown)


async def test_an_answer_that_was_cut_is_incomplete(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    async def cut(run_id: str, request: ChatRequest) -> ChatResponse:
        return said(run_id, finish_reason=inference.FINISH_REASON_LENGTH)

    scripted.answer = cut
    made = await openai_client.responses.create(model="m", input="x")
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    events = [event.type async for event in await openai_client.responses.create(model="m", input="x", stream=True)]
    assert events[-1] == "response.incomplete"


async def test_a_failure_is_told_by_the_stored_response_and_its_stream(
    openai_client: openai.AsyncOpenAI, scripted: Any
) -> None:
    async def failing(run_id: str, request: ChatRequest) -> ChatResponse:
        raise NoModelAvailable("no model is there", retry_after=2.0)

    scripted.answer = failing
    with pytest.raises(openai.InternalServerError) as caught:
        await openai_client.responses.create(model="m", input="x", stream=True)
    assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (503, "2")
    made = await openai_client.responses.create(model="m", input="x", background=True)
    last = [event async for event in await openai_client.responses.retrieve(made.id, stream=True)][-1]
    assert last.type == "response.failed"
    found = await openai_client.responses.retrieve(made.id)
    assert found.error is not None
    assert (found.status, found.error.code) == ("failed", "no_model_available")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"input": []}, "input", "messages_missing"),
    ({"input": " "}, "input", "field_invalid"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", "unsupported_parameter"),
    ({"input": [{"content": "x"}]}, "input[0].role", "field_invalid"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0].type",
        "unsupported_parameter",
    ),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input", "field_invalid"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_parameter"),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "field_invalid"),
    ({"conversation": "c"}, "conversation", "unsupported_parameter"),
    ({"truncation": "auto"}, "truncation", "unsupported_parameter"),
    ({"background": True, "store": False}, "background", "field_invalid"),
    ({"max_output_tokens": 0}, "max_output_tokens", "field_invalid"),
    ({"previous_response_id": "none"}, "previous_response_id", "previous_response_not_found"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", "field_invalid"),
    ({"text": {"format": {"type": "json_schema", "schema": {"type": 1}}}}, "text.format.schema", "schema_invalid"),
]


@pytest.mark.parametrize(("fields", "param", "code"), WRONG, ids=[f"{n}-{w[1]}" for n, w in enumerate(WRONG)])
async def test_a_wrong_field_is_named(
    edge_http: httpx.AsyncClient, scripted: Any, fields: dict[str, Any], param: str, code: str
) -> None:
    answer = await edge_http.post("/v1/responses", json={"model": "m", "input": "x", **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error
    assert scripted.runs.started == []


ORDER = ChatOrder(turns=(Turn(Role.USER, "x"),), store=True, response=Options())


def events_of(pieces: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(piece.split(b"data: ", 1)[1]) for piece in pieces]


def shown(events: list[dict[str, Any]]) -> dict[int, str]:
    """The text of each item, as a client puts it together."""
    texts: dict[int, str] = {}
    for event in events:
        if event["type"] == "response.output_text.delta":
            texts[event["output_index"]] = texts.get(event["output_index"], "") + event["delta"]
    return texts


def cut(text: str, sizes: list[int]) -> list[Delta]:
    deltas, begin = [], 0
    for size in [*sizes, len(text)]:
        if piece := text[begin : begin + size]:
            deltas.append(Delta(piece, len(text[:begin].encode()), 0))
        begin += size
    return deltas


@given(
    void=st.text(max_size=12),
    text=st.text(max_size=12),
    sizes=st.lists(st.integers(1, 5), max_size=4),
    others=st.lists(st.integers(1, 5), max_size=4),
    again=st.booleans(),
    data=st.data(),
)
def test_whoever_loses_a_stream_ends_with_the_answer(
    void: str, text: str, sizes: list[int], others: list[int], again: bool, data: st.DataObject
) -> None:
    """Whatever pieces two gateways cut the text into, and whatever was void: the last item is the stored answer."""
    response = said("run-1", text)
    first: list[Any] = [Started("run-1", 1)]
    if again:
        response.attempts.add()
        first += [*cut(void, sizes), Reset("next_attempt")]
    first += [*cut(text, sizes), Completed(response)]
    encoder = ResponseEncoder(ORDER)
    whole = events_of([piece for event in first for piece in encoder.encode(event)])
    numbers = [event["sequence_number"] for event in whole]
    assert numbers == sorted(set(numbers))
    seen = whole[: data.draw(st.integers(1, len(whole)))]
    resumed = ResponseEncoder(ORDER, seen[-1]["sequence_number"])
    second: list[Any] = [Started("run-1", 1), *cut(text, others), Completed(response)]
    rest = events_of([piece for event in second for piece in resumed.encode(event)])
    both = [event["sequence_number"] for event in seen + rest]
    assert both == sorted(set(both))
    texts = shown(seen + rest)
    if text and seen[-1]["type"] != "response.completed":
        assert texts[max(texts)] == text
