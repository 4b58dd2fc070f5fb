"""Tools, formats, several answers and log probabilities, through the unmodified client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1 import inference_service_pb2 as inference

HELLO: list[Any] = [{"role": "user", "content": "What is the weather in Rome?"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALLS = [
    inference.ToolCall(id="call_1", name="weather", arguments_json='{"city": "Rome"}'),
    inference.ToolCall(id="call_2", name="weather", arguments_json='{"city": "Bari"}'),
]


LIKELY = [
    inference.TokenLogprob(text=text, logprob=logprob)
    for text, logprob in (("Sun", -0.5), ("<end>", -1.5), ("\ufffd", -2.5))
]


async def calling(run_id: str, request: ChatRequest) -> ChatResponse:
    """Calls tools, and gives a second answer that is a text."""
    return ChatResponse(
        run_id=run_id,
        model="org/model",
        message=inference.ChatMessage(role=inference.ROLE_ASSISTANT, tool_calls=CALLS),
        finish_reason=inference.FINISH_REASON_TOOL_CALLS,
        usage=TokenUsage(prompt_tokens=5, completion_tokens=7),
        alternatives=[
            inference.Alternative(
                text="Sun",
                finish_reason=inference.FINISH_REASON_STOP,
                logprobs=[inference.TokenLogprob(text="Sun", logprob=-0.5, top=LIKELY)],
            )
        ],
    )


async def test_all_that_a_request_says_reaches_the_run(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    call: Any = {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages: list[Any] = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": "rain"},
        {"role": "user", "name": "ada", "content": "And now?"},
    ]
    await openai_client.chat.completions.create(
        model="org/model",
        messages=messages,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
        n=2,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"50": -100, "9": 0, "7": 2},
        presence_penalty=0.5,
        metadata={"trip": "7"},
        user="ada",
        extra_body={"min_tokens": 3},
    )
    request = scripted.runs.started[0][1]
    roles = [inference.ROLE_USER, inference.ROLE_ASSISTANT, inference.ROLE_TOOL, inference.ROLE_USER]
    assert [message.role for message in request.messages] == roles
    assert request.messages[1].tool_calls[0].id == request.messages[2].tool_call_id == "call_0"
    assert request.messages[3].name == "ada"
    assert request.tools[0].name == "weather"
    assert json.loads(request.tools[0].parameters_json) == TOOL["function"]["parameters"]
    assert request.tool_choice == inference.ToolChoice(
        mode=inference.ToolChoice.MODE_REQUIRED, name="weather", single=True
    )
    assert (request.n, dict(request.metadata)) == (2, {"trip": "7"})
    sampling = request.sampling
    assert (sampling.min_tokens, sampling.presence_penalty, sampling.logprobs) == (3, 0.5, True)
    assert (sampling.top_logprobs, dict(sampling.logit_bias)) == (2, {50: -100.0, 7: 2.0})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"type": "text"}, inference.ResponseFormat.KIND_UNSPECIFIED),
        ({"type": "json_object"}, inference.ResponseFormat.KIND_JSON_OBJECT),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True}},
            inference.ResponseFormat.KIND_JSON_SCHEMA,
        ),
    ],
    ids=["text", "json_object", "json_schema"],
)
async def test_formats_reach_the_run(
    openai_client: openai.AsyncOpenAI, scripted: Any, given: Any, kind: inference.ResponseFormat.Kind
) -> None:
    await openai_client.chat.completions.create(model="m", messages=HELLO, response_format=given)
    asked = scripted.runs.started[0][1].response_format
    assert asked.kind == kind
    if kind == inference.ResponseFormat.KIND_JSON_SCHEMA:
        assert json.loads(asked.schema_json) == {"type": "object"}


async def test_calls_and_further_answers_come_back(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    scripted.answer = calling
    answer = await openai_client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL], n=2)
    first, second = answer.choices
    assert (first.finish_reason, first.message.content) == ("tool_calls", None)
    assert [call.id for call in first.message.tool_calls or []] == ["call_1", "call_2"]
    assert (second.index, second.finish_reason, second.message.content) == (1, "stop", "Sun")
    assert second.logprobs is not None
    (token,) = second.logprobs.content or []
    assert (token.token, token.logprob, token.bytes) == ("Sun", -0.5, list(b"Sun"))
    assert [(each.token, each.logprob) for each in token.top_logprobs] == [
        ("Sun", -0.5),
        ("<end>", -1.5),
        ("\ufffd", -2.5),
    ]
    assert [each.bytes for each in token.top_logprobs] == [list(b"Sun"), list(b"<end>"), None]
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None


async def test_a_stream_of_them_is_put_together_by_the_clients_own_helper(
    openai_client: openai.AsyncOpenAI, scripted: Any
) -> None:
    scripted.answer = calling
    async with openai_client.chat.completions.stream(
        model="m", messages=HELLO, tools=[TOOL], n=2, stream_options={"include_usage": True}
    ) as stream:
        answer = await stream.get_final_completion()
    first, second = answer.choices
    called = [(call.id, call.function.name, call.function.arguments) for call in first.message.tool_calls or []]
    assert called == [("call_1", "weather", '{"city": "Rome"}'), ("call_2", "weather", '{"city": "Bari"}')]
    assert (first.finish_reason, second.message.content, second.finish_reason) == ("tool_calls", "Sun", "stop")
    assert second.logprobs is not None
    assert answer.usage is not None
    assert answer.usage.total_tokens == 12


def called(name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


ANSWERED = {"role": "tool", "tool_call_id": "c", "content": "x"}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"n": 0}, "n", "n_out_of_range"),
    ({"n": 17}, "n", "n_out_of_range"),
    ({"tools": [tool(name="a b")]}, "tools[0].function.name", "field_invalid"),
    ({"tools": [tool(), tool()]}, "tools[1].function.name", "field_invalid"),
    ({"tools": [tool(parameters={"type": 7})]}, "tools[0].function.parameters", "schema_invalid"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "field_invalid"),
    ({"tool_choice": "required"}, "tool_choice", "field_invalid"),
    ({"tools": [tool()], "tool_choice": tool(name="g")}, "tool_choice.function.name", "field_invalid"),
    ({"tool_choice": "sometimes"}, "tool_choice", "field_invalid"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "field_invalid"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "field_invalid"),
    ({"messages": [ANSWERED]}, "messages[0].tool_call_id", "field_invalid"),
    (
        {"messages": [{"role": "user", "content": "x", "tool_calls": [called()]}]},
        "messages[0].tool_calls",
        "field_invalid",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [called(arguments="{")]}]},
        "messages[0].tool_calls[0].function.arguments",
        "field_invalid",
    ),
    ({"metadata": {"a": "b" * 513}}, "metadata", "field_invalid"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "field_invalid"),
    ({"presence_penalty": 3}, "presence_penalty", "field_invalid"),
]


@pytest.mark.parametrize(("fields", "param", "code"), WRONG, ids=[f"{n}-{w[1]}" for n, w in enumerate(WRONG)])
async def test_a_wrong_form_is_named_before_anybody_is_asked(
    openai_client: openai.AsyncOpenAI, scripted: Any, fields: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await openai_client.post("/chat/completions", body={"model": "m", "messages": HELLO, **fields}, cast_to=object)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert scripted.runs.started == []
